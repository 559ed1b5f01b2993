"""A network trained by several processes: its config, and the comparison of two runs.

145 training images in batches of 36: the last batch has one image, so one rank's part is empty.
"""

import csv
import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
import torch

from symscape.config.train import TrainConfig
from symscape.runs.weights import read_weights
from tests.jobs.tiny import tiny

TIMES = ("seconds", "images_per_second")


def ragged(root: Path, devices: int = 2, epochs: int = 3, **changes: Any) -> TrainConfig:
    trainer = {"max_epochs": epochs, "limit_train_batches": None, "precision": "float64"}
    if devices > 1:
        trainer |= {"name": "ddp", "devices": devices}
    return tiny(
        root,
        data={"val_fraction": 0.9, "batch_size": 36},
        model={"norm": "layer"},
        trainer=trainer,
        **changes,
    )


def table(folder: Path, name: str) -> list[dict[str, str]]:
    rows = csv.DictReader((folder / name).open())
    return [{k: v for k, v in row.items() if k not in TIMES} for row in rows]


def assert_close(a: Path, b: Path) -> None:
    """All that two runs kept is the same to 1e-8; S of symmetric kernels, 1 - sqrt(0), to 1e-7."""
    steps = sorted(p.name for p in (a / "weights").iterdir())
    assert steps == sorted(p.name for p in (b / "weights").iterdir()) and len(steps) >= 5
    for step in steps:
        left, right = (read_weights(folder / "weights" / step)[0] for folder in (a, b))
        for name, tensor in left.items():
            assert tensor.dtype == torch.float64 or not tensor.is_floating_point()
            torch.testing.assert_close(tensor, right[name], rtol=1e-8, atol=1e-10)
    figures = [json.loads((folder / "metrics.json").read_text()) for folder in (a, b)]
    rows = zip(table(a, "metrics.csv"), table(b, "metrics.csv"), strict=True)
    for left, right in [figures, *rows]:
        assert left.keys() == right.keys()
        for key, value in left.items():
            margin = {"abs": 1e-7} if key.startswith("symmetry/") else {"rel": 1e-8}
            assert float(right[key]) == pytest.approx(float(value), **margin), key


def rows(root: Path, count: int) -> Callable[[], bool]:
    """Whether a run below `root` has finished a number of epochs."""

    def enough() -> bool:
        tables = list(root.glob("**/seed=0/metrics.csv"))
        return bool(tables) and len(tables[0].read_text().splitlines()) > count

    return enough
