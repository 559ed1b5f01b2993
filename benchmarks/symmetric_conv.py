"""One symmetric convolution, direct or folded, against nn.Conv2d of the same precision and layout.

Medians of one run, everything in turn; beside them what the cost model of `layers.plan` estimates.
"""

from __future__ import annotations

import symscape  # noqa: F401  # isort: skip  # before torch: it sets how threads wait

import argparse
import statistics
from collections.abc import Callable
from typing import Any

import torch
from rich.console import Console
from rich.table import Table
from timing import seconds
from torch import Tensor, nn

from symscape.layers.conv import SymmetricConv2d
from symscape.layers.factory import ConvFactory, initialise
from symscape.layers.plan import training_cost
from symscape.symmetry.groups import Symmetry

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
    """Return the layer as nn.Conv2d, as a direct and as a folded symmetric convolution."""
    made: dict[str, Any] = {}
    for name, obeys in (("vanilla", "vanilla"), ("direct", symmetry), ("fold", symmetry)):
        layer = ConvFactory(Symmetry(obeys))(inputs, filters, (3, 3), stride=stride)
        initialise(layer, 0)
        layer.to(memory_format=torch.channels_last)
        if isinstance(layer, SymmetricConv2d):
            layer.compute = name
        made[name] = layer
    return made


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


def compare(
    symmetry: str, shape: tuple[int, int, int, int], batch: int, precision: str, rounds: int
) -> list[str]:
    """Return a row: the shape, vanilla's milliseconds, the others relative to it, the estimate."""
    inputs, filters, side, stride = shape
    device = torch.device("cuda" if torch.cuda.is_available() else "cpu")
    dtype = getattr(torch, precision)
    x = torch.randn(batch, inputs, side, side, device=device, dtype=dtype)
    x = x.contiguous(memory_format=torch.channels_last).requires_grad_(inputs > 3)
    made = layers(symmetry, inputs, filters, stride)
    calls = {
        (kind, name): call
        for name, layer in made.items()
        for kind, call in passes(layer.to(device), x, precision == "bfloat16").items()
    }
    times: dict[tuple[str, str], list[float]] = {key: [] for key in calls}
    for i in range(rounds + 2):
        for key, call in calls.items():
            taken = seconds(call)
            if i >= 2:
                times[key].append(taken)
    row = [f"{inputs} > {filters}, {side}x{side}" + (f" / {stride}" if stride > 1 else "")]
    for kind in ("forward", "training"):
        vanilla = statistics.median(times[kind, "vanilla"])
        row += [f"{vanilla * 1e3:.2f}"]
        row += [f"{statistics.median(times[kind, n]) / vanilla:.2f}" for n in ("direct", "fold")]
    estimate = training_cost(made["fold"].geometry((side, side)), inputs, filters, batch, precision)
    return [*row, f"{estimate:.2f}"]


def main() -> None:
    """Print a table for each precision."""
    parser = argparse.ArgumentParser(description=(__doc__ or "").splitlines()[0])
    parser.add_argument("--symmetry", default="rot90")
    parser.add_argument("--models", nargs="+", default=list(SHAPES), choices=list(SHAPES))
    parser.add_argument("--precisions", nargs="+", default=["float32", "bfloat16"])
    parser.add_argument("--batch", type=int, default=128)
    parser.add_argument("--rounds", type=int, default=7)
    arguments = parser.parse_args()
    console = Console(width=110)
    for precision in arguments.precisions:
        title = f"{arguments.symmetry}, {precision}, batch {arguments.batch}"
        table = Table(title=f"{title}, {torch.get_num_threads()} threads")
        kinds = [column for kind in ("forward", "training") for column in (kind, "direct", "fold")]
        for column in ("layer, map / stride", *kinds, "estimate"):
            table.add_column(column, justify="right")
        for model in arguments.models:
            for shape in SHAPES[model]:
                row = compare(
                    arguments.symmetry, shape, arguments.batch, precision, arguments.rounds
                )
                table.add_row(*row)
        console.print(table)


if __name__ == "__main__":
    main()
