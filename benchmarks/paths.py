"""`python benchmarks/paths.py`: the barrier along trained paths by that of the line beside them.

Two ResNet-20 are trained on digits from different seeds, without alignment; the ratio is of one
result of `interpolate.py path=...`.
"""

from __future__ import annotations

import argparse
import tempfile
from pathlib import Path

from rich.console import Console

from symscape.config.data import DataConfig
from symscape.config.groups import SymmetryConfig, TrainerConfig
from symscape.config.interpolate import InterpolateConfig
from symscape.config.network.model import ModelConfig
from symscape.config.train import TrainConfig
from symscape.jobs.interpolate.job import interpolate
from symscape.jobs.train.job import train
from symscape.runs.results import PathResult, read_results

STUDY = "paths"


def train_two(root: Path, symmetry: str, width: int, epochs: int) -> None:
    """Train seeds 0 and 1."""
    for seed in (0, 1):
        train(
            TrainConfig(
                root=str(root),
                study=STUDY,
                seed=seed,
                data=DataConfig("digits", batch_size=64),
                model=ModelConfig("resnet20", width=width),
                symmetry=SymmetryConfig(symmetry),
                trainer=TrainerConfig(max_epochs=epochs, precision="float32"),
            )
        )


def main() -> None:
    """Train, connect, compare."""
    parser = argparse.ArgumentParser(description=(__doc__ or "").splitlines()[0])
    parser.add_argument("--width", type=int, default=16)
    parser.add_argument("--symmetry", default="vanilla")
    parser.add_argument("--epochs", type=int, default=6)
    parser.add_argument("--path-epochs", type=int, default=10)
    parser.add_argument("--lr", type=float, default=InterpolateConfig(study=STUDY).path_lr)
    parser.add_argument("--points", type=int, default=11)
    given, console = parser.parse_args(), Console(width=100, highlight=False)
    with tempfile.TemporaryDirectory() as folder:
        root = Path(folder)
        train_two(root, given.symmetry, given.width, given.epochs)
        for path in ("quadratic", "polygon"):
            interpolate(
                InterpolateConfig(
                    study=STUDY,
                    root=str(root),
                    path=path,
                    path_epochs=given.path_epochs,
                    path_lr=given.lr,
                    points=given.points,
                    train_images=1000,
                    bn_images=1000,
                    precision="float32",
                )
            )
            (place,) = (root / STUDY / "interpolate").glob(f"{path}-*")
            (result,) = read_results(place, PathResult)
            for split in ("train", "test"):
                bent, line = (
                    each[split]["loss"]["chord"]
                    for each in (result.barriers, result.line["barriers"])
                )
                console.print(
                    f"{path}, {split}: {bent:.4f} of {line:.4f} nats on the line, "
                    f"{bent / line:.3f}; {result.training['seconds']:.0f} s of training"
                )


if __name__ == "__main__":
    main()
