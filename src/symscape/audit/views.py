"""The views of a batch that a network's answers are compared on: flips, turns, small moves.

N: images, C: channels, H, W: pixels. A move (dy, dx) takes the image dy pixels down and dx right.
"""

from __future__ import annotations

from collections.abc import Iterator

import torch
from torch import Tensor
from torch.nn import functional

from symscape.errors import ConfigError
from symscape.symmetry.consistency import TRANSFORMS
from symscape.symmetry.groups import ELEMENTS, SWAPS_AXES

EDGES = {"shift": "reflect", "roll": "circular"}
"""The families of moves, and what comes in at the edge: the mirrored image, or its other side."""


def turns(images: Tensor) -> tuple[str, ...]:
    """Return the flips and turns of images (..., H, W): quarter turns where H = W."""
    square = images.shape[-2] == images.shape[-1]
    return tuple(name for name in TRANSFORMS if square or name not in SWAPS_AXES)


def turned(images: Tensor, name: str) -> Tensor:
    """Return images (N, C, H, W) under one of `turns`, in channels_last memory."""
    return packed(ELEMENTS[name](images))


def moves(shifts: int) -> list[tuple[int, int]]:
    """Return all (dy, dx) up to `shifts` but (0, 0), row by row: (2 shifts + 1)^2 - 1 of them."""
    reach = range(-shifts, shifts + 1)
    return [(dy, dx) for dy in reach for dx in reach if dy or dx]


def moved(images: Tensor, shifts: int, edge: str) -> Iterator[Tensor]:
    """Yield images (N, C, H, W) under each of `moves(shifts)`, in channels_last memory.

    Cost: the images are padded once; a view is one copy. As `torch.roll` where `edge` is circular,
    which would copy once an axis and once more for the memory format.

    Args:
        images: (N, C, H, W).
        shifts: the largest move, in pixels.
        edge: reflect or circular.

    Raises:
        ConfigError: H or W is not above `shifts`; a mirror image of more than the image there is
            not.
    """
    height, width = images.shape[-2:]
    if shifts >= min(height, width):
        raise ConfigError("shifts", shifts, f"must be below both sides of {height}x{width} images")
    padded = packed(functional.pad(images, (shifts,) * 4, mode=edge))
    for dy, dx in moves(shifts):
        top, left = shifts - dy, shifts - dx
        yield packed(padded[..., top : top + height, left : left + width])


def packed(images: Tensor) -> Tensor:
    """Return images (N, C, H, W) in channels_last memory."""
    return images.contiguous(memory_format=torch.channels_last)


def families(images: Tensor, shifts: int) -> Iterator[tuple[str, Iterator[Tensor]]]:
    """Yield (name, its views): one view for each of `turns`, `moves(shifts)` for each of EDGES.

    A view is built when it is asked for.
    """
    for name in turns(images):
        yield name, (turned(images, each) for each in (name,))
    for name, edge in EDGES.items():
        yield name, moved(images, shifts, edge)
