"""`python benchmarks/sampling.py`: what other padding and blurs add to a training step.

Bare loops of the same network with each option, in turn and in a random order, relative to zeros
and strides; vanilla kernels and tied ones, which fold where that pays. Images are random.
"""

from __future__ import annotations

import symscape  # noqa: F401  # isort: skip  # before torch: it sets how threads wait

import argparse
import random
import statistics
from dataclasses import replace

import lightning.pytorch as pl
from rich.console import Console
from rich.table import Table
from training import WIDTHS, bare_step, config_of, seconds_a_step

from symscape.config.groups import TrainerConfig
from symscape.config.network.model import ModelConfig
from symscape.training.hardware import Hardware, resolve_hardware

OPTIONS: dict[str, dict[str, str]] = {
    "zeros, stride": {},
    "partial": {"padding": "partial"},
    "reflect": {"padding": "reflect"},
    "circular": {"padding": "circular"},
    "blur": {"downsample": "blur"},
    "partial, blur": {"padding": "partial", "downsample": "blur"},
    "sbpool": {"downsample": "sbpool"},
    "zeros, stride again": {},
}


def compare(model: str, symmetry: str, steps: int, hardware: Hardware, console: Console) -> None:
    """Print a training step with each option relative to the first."""
    base = config_of(model, symmetry)
    configs = [replace(base, model=ModelConfig(model, **o)) for o in OPTIONS.values()]  # type: ignore[arg-type]
    loops = [bare_step(config, hardware) for config in configs]
    times: list[list[float]] = [[] for _ in loops]
    order = random.Random(0)
    for _ in range(steps):
        for i in order.sample(range(len(loops)), len(loops)):
            times[i].append(seconds_a_step(loops[i], 1, hardware, warm_up=1))
    medians = [statistics.median(values[1:]) for values in times]
    table = Table(title=f"{model}, {symmetry}, {hardware.name}, {hardware.precision}")
    for column in ("", "ms median", "relative"):
        table.add_column(column, justify="right")
    for name, median in zip(OPTIONS, medians, strict=True):
        table.add_row(name, f"{median * 1e3:.1f}", f"{median / medians[0]:.3f}")
    console.print(table)


def main() -> None:
    """Measure what the arguments name."""
    parser = argparse.ArgumentParser(description=(__doc__ or "").splitlines()[0])
    parser.add_argument("--models", nargs="+", default=list(WIDTHS), choices=list(WIDTHS))
    parser.add_argument("--symmetries", nargs="+", default=["vanilla", "rot90"])
    parser.add_argument("--steps", type=int, default=None)
    parser.add_argument("--precision", default="auto")
    arguments = parser.parse_args()
    console = Console(width=100)
    pl.seed_everything(0, verbose=False)
    hardware = resolve_hardware(TrainerConfig(precision=arguments.precision), {})
    for model in arguments.models:
        for symmetry in arguments.symmetries:
            steps = arguments.steps or (21 if model == "resnet20" else 6)
            compare(model, symmetry, steps, hardware, console)


if __name__ == "__main__":
    main()
