"""One symmetric convolution, direct or folded, against nn.Conv2d of the same precision and layout.

Medians of one run, everything in turn, relative to nn.Conv2d; beside them what
`layers.costs` estimates. `--json` keeps the seconds, to which the rates there are fitted.
"""

from __future__ import annotations

import symscape  # noqa: F401  # isort: skip  # before torch: it sets how threads wait

import argparse
import json
import statistics
from collections.abc import Callable
from itertools import product
from pathlib import Path
from typing import Any

import torch
from rich.console import Console
from rich.table import Table
from timing import seconds
from torch import Tensor, nn

from symscape.config.groups import TrainerConfig
from symscape.layers.factory import ConvFactory, initialise
from symscape.layers.folding.costs import forward_cost, training_cost
from symscape.symmetry.groups import Symmetry
from symscape.training.hardware import resolve_hardware

# Input channels, output channels, height and width, stride: the 3x3 layers of both networks.
SHAPES = {
    "resnet18": [
        (3, 64, 32, 1),
        (64, 64, 32, 1),
        (64, 128, 32, 2),
        (128, 128, 16, 1),
        (128, 256, 16, 2),
        (256, 256, 8, 1),
        (256, 512, 8, 2),
        (512, 512, 4, 1),
    ],
    "resnet20": [
        (3, 16, 32, 1),
        (16, 16, 32, 1),
        (16, 32, 32, 2),
        (32, 32, 16, 1),
        (32, 64, 16, 2),
        (64, 64, 8, 1),
    ],
}


def layers(symmetry: str, inputs: int, filters: int, stride: int) -> dict[str, Any]:
    """Return the layer as nn.Conv2d, and as a direct and as a folded symmetric convolution."""
    made: dict[str, Any] = {"vanilla": layer_of("vanilla", inputs, filters, stride)}
    for name in ("direct", "fold"):
        made[name] = layer_of(symmetry, inputs, filters, stride)
        made[name].compute = name
    return made


def layer_of(symmetry: str, inputs: int, filters: int, stride: int) -> Any:
    """Return one layer, channels last."""
    layer = ConvFactory(Symmetry(symmetry))(inputs, filters, (3, 3), stride=stride)
    initialise(layer, 0)
    return layer.to(memory_format=torch.channels_last)


def passes(layer: nn.Module, x: Tensor, reduced: bool) -> dict[str, Callable[[], object]]:
    """Return the forward pass without gradients, and forward and backward."""

    def forward() -> Tensor:
        with torch.autocast(x.device.type, torch.bfloat16, enabled=reduced):
            y: Tensor = layer(x)
        return y

    ones = torch.ones_like(forward()).detach()
    wanted = [t for t in (x, *layer.parameters()) if t.requires_grad]
    return {
        "forward": torch.no_grad()(forward),
        "training": lambda: torch.autograd.grad(forward(), wanted, ones),
    }


def measure(
    symmetry: str, shape: tuple[int, int, int, int], batch: int, precision: str, rounds: int
) -> dict[str, dict[str, float]]:
    """Return the median seconds of each kind of pass, in each way."""
    inputs, filters, side, stride = shape
    device = resolve_hardware(TrainerConfig(), {}).device  # It also says what becomes of memory.
    dtype = getattr(torch, precision)
    x = torch.randn(batch, inputs, side, side, device=device, dtype=dtype)
    x = x.contiguous(memory_format=torch.channels_last).requires_grad_(inputs > 3)
    calls = {
        (kind, name): call
        for name, layer in layers(symmetry, inputs, filters, stride).items()
        for kind, call in passes(layer.to(device), x, precision == "bfloat16").items()
    }
    times: dict[tuple[str, str], list[float]] = {key: [] for key in calls}
    for i in range(rounds + 2):
        for key, call in calls.items():
            taken = seconds(call)
            if i >= 2:
                times[key].append(taken)
    found: dict[str, dict[str, float]] = {"forward": {}, "training": {}}
    for (kind, name), values in times.items():
        found[kind][name] = statistics.median(values)
    return found


def row_of(
    symmetry: str,
    shape: tuple[int, int, int, int],
    batch: int,
    precision: str,
    found: dict[str, dict[str, float]],
) -> list[str]:
    """Return the shape, and for each kind of pass vanilla's milliseconds and the others' ratio."""
    inputs, filters, side, stride = shape
    row = [f"{inputs} > {filters}, {side}x{side}" + (f" / {stride}" if stride > 1 else "")]
    geometry = layer_of(symmetry, inputs, filters, stride).geometry((side, side))
    for kind, cost in (("forward", forward_cost), ("training", training_cost)):
        vanilla = found[kind]["vanilla"]
        row += [f"{vanilla * 1e3:.2f}"]
        row += [f"{found[kind][name] / vanilla:.2f}" for name in ("direct", "fold")]
        row.append(f"{cost(geometry, inputs, filters, batch, precision):.2f}")
    return row


def main() -> None:
    """Print a table for each precision."""
    parser = argparse.ArgumentParser(description=(__doc__ or "").splitlines()[0])
    parser.add_argument("--symmetries", nargs="+", default=["rot90", "hvflip", "hflip"])
    parser.add_argument("--models", nargs="+", default=list(SHAPES), choices=list(SHAPES))
    parser.add_argument("--precisions", nargs="+", default=["float32", "bfloat16"])
    parser.add_argument("--batch", type=int, default=128)
    parser.add_argument("--rounds", type=int, default=7)
    parser.add_argument("--json", type=Path, default=None, help="a file for all medians")
    arguments = parser.parse_args()
    console = Console(width=110)
    kept = []
    for precision, symmetry in product(arguments.precisions, arguments.symmetries):
        title = f"{symmetry}, {precision}, batch {arguments.batch}"
        table = Table(title=f"{title}, {torch.get_num_threads()} threads")
        ways = ("direct", "fold", "estimate")
        for column in ("layer, map / stride", "forward ms", *ways, "training ms", *ways):
            table.add_column(column, justify="right")
        for shape in (shape for model in arguments.models for shape in SHAPES[model]):
            setting = (symmetry, shape, arguments.batch, precision)
            found = measure(*setting, arguments.rounds)
            table.add_row(*row_of(*setting, found))
            kept.append([*setting, found])
        console.print(table)
        if arguments.json is not None:
            arguments.json.write_text(json.dumps(kept), encoding="utf-8")


if __name__ == "__main__":
    main()
