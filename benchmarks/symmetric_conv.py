"""One symmetric convolution, folded or direct, against nn.Conv2d of the same layout and precision.

Medians of one run, everything in turn. `product` is the matrix product of the fold alone: the limit.
"""

from __future__ import annotations

import argparse
import statistics
from collections.abc import Callable

import torch
from rich.console import Console
from rich.table import Table
from timing import seconds
from torch import Tensor, nn

from symscape.layers.factory import ConvFactory, initialise
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


def layers(symmetry: str, inputs: int, filters: int, stride: int) -> dict[str, nn.Module]:
    """Return the layer as nn.Conv2d, as a direct and as a folded symmetric convolution."""
    made = {}
    for name, obeys in (("vanilla", "vanilla"), ("direct", symmetry), ("fold", symmetry)):
        layer = ConvFactory(Symmetry(obeys))(inputs, filters, (3, 3), stride=stride)
        initialise(layer, 0)
        layer.to(memory_format=torch.channels_last)
        layer.compute = name if name != "vanilla" else "direct"
        made[name] = layer
    return made


def passes(layer: nn.Module, x: Tensor, reduced: bool) -> dict[str, Callable[[], object]]:
    """Return the forward pass without gradients, and forward and backward."""

    def forward() -> Tensor:
        with torch.autocast(x.device.type, torch.bfloat16, enabled=reduced):
            y: Tensor = layer(x)
        return y

    def both() -> None:
        y = forward()
        y.backward(torch.ones((), dtype=y.dtype, device=y.device).expand_as(y).contiguous(
            memory_format=torch.channels_last))  # type: ignore[no-untyped-call]

    return {"forward": torch.no_grad()(forward), "forward + backward": both}


def compare(
    symmetry: str, shape: tuple[int, int, int, int], batch: int, reduced: bool, rounds: int
) -> list[str]:
    """Return a row: the shape, vanilla's milliseconds, the others relative to it."""
    inputs, filters, side, stride = shape
    device = torch.device("cuda" if torch.cuda.is_available() else "cpu")
    dtype = torch.bfloat16 if reduced else torch.float32
    x = torch.randn(batch, inputs, side, side, device=device, dtype=dtype)
    x = x.contiguous(memory_format=torch.channels_last).requires_grad_(inputs > 3)
    calls = {
        (kind, name): call
        for name, layer in layers(symmetry, inputs, filters, stride).items()
        for kind, call in passes(layer.to(device), x, reduced).items()
    }
    times: dict[tuple[str, str], list[float]] = {key: [] for key in calls}
    for i in range(rounds + 2):
        for key, call in calls.items():
            taken = seconds(call)
            if i >= 2:
                times[key].append(taken)
    row = [f"{inputs} > {filters}, {side}x{side}" + (f" / {stride}" if stride > 1 else "")]
    for kind in ("forward", "forward + backward"):
        vanilla = statistics.median(times[kind, "vanilla"])
        row += [f"{vanilla * 1e3:.2f}"]
        row += [f"{statistics.median(times[kind, n]) / vanilla:.2f}" for n in ("direct", "fold")]
    return row


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
        for column in ("layer", "forward ms", "direct", "fold", "+ backward ms", "direct", "fold"):
            table.add_column(column, justify="right")
        for model in arguments.models:
            for shape in SHAPES[model]:
                reduced = precision == "bfloat16"
                table.add_row(
                    *compare(arguments.symmetry, shape, arguments.batch, reduced, arguments.rounds)
                )
        console.print(table)


if __name__ == "__main__":
    main()
