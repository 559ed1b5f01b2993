"""The symmetries of the square as permutations of kernel taps.

An element acts on the last two dimensions of a tensor. A group ties the taps of each orbit.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

import torch
from torch import Tensor

KernelSize = tuple[int, int]

# The eight elements of D4. Quarter turns are counter-clockwise.
ELEMENTS: dict[str, Callable[[Tensor], Tensor]] = {
    "identity": lambda x: x,
    "hflip": lambda x: x.flip(-1),
    "vflip": lambda x: x.flip(-2),
    "rot90": lambda x: x.rot90(1, (-2, -1)),
    "rot180": lambda x: x.flip(-2, -1),
    "rot270": lambda x: x.rot90(3, (-2, -1)),
    "transpose": lambda x: x.transpose(-2, -1),
    "antitranspose": lambda x: x.transpose(-2, -1).flip(-2, -1),
}
SWAPS_AXES = ("rot90", "rot270", "transpose", "antitranspose")

GROUP_ELEMENTS: dict[str, tuple[str, ...]] = {
    "vanilla": ("identity",),
    "hflip": ("identity", "hflip"),
    "vflip": ("identity", "vflip"),
    "hvflip": ("identity", "hflip", "vflip", "rot180"),
    "rot180": ("identity", "rot180"),
    "diag": ("identity", "transpose"),
    "rot90": ("identity", "rot90", "rot180", "rot270"),
    "d4": tuple(ELEMENTS),
}


def tap_permutation(element: str, kernel_size: KernelSize) -> Tensor:
    """Return the permutation p (kh * kw) with `flatten(element(K)) = flatten(K)[p]`.

    Raises:
        ValueError: a quarter turn or transposition of a kernel that is not square.
    """
    height, width = kernel_size
    if height != width and element in SWAPS_AXES:
        raise ValueError(
            f"kernel_size={height}x{width}: {element} needs a square kernel; "
            "hflip, vflip and rot180 do not"
        )
    taps = torch.arange(height * width).view(height, width)
    return ELEMENTS[element](taps).flatten()


def distinct_elements(kernel_size: KernelSize) -> tuple[str, ...]:
    """Return the elements that permute the taps (kh * kw) in different ways, without the identity.

    All seven of D4 on a square, the flips and the half turn on a rectangle. A row (1 x n) has its
    reversal, the horizontal flip, alone; a column (n x 1) the vertical one; one tap has none.
    """
    height, width = kernel_size
    if height == width > 1:
        return tuple(element for element in ELEMENTS if element != "identity")
    flips = (*(("hflip",) if width > 1 else ()), *(("vflip",) if height > 1 else ()))
    return (*flips, "rot180") if len(flips) > 1 else flips


def group_orbits(group: str, kernel_size: KernelSize) -> Tensor:
    """Return each tap's orbit under a group: labels (kh * kw), numbered 0, 1, ... by first tap."""
    images = [tap_permutation(element, kernel_size) for element in GROUP_ELEMENTS[group]]
    # In a closed set of elements the images of a tap are its whole orbit.
    first_taps = torch.stack(images).amin(0)
    labels: Tensor = torch.unique(first_taps, return_inverse=True)[1]
    return labels


def random_orbits(like: str, kernel_size: KernelSize, seed: int) -> Tensor:
    """Return a seeded random partition of the taps with the orbit sizes of the group `like`."""
    sizes = torch.bincount(group_orbits(like, kernel_size))
    order = torch.randperm(int(sizes.sum()), generator=torch.Generator().manual_seed(seed))
    labels = torch.empty_like(order)
    labels[order] = torch.repeat_interleave(torch.arange(len(sizes)), sizes)
    return labels


@dataclass(frozen=True)
class Symmetry:
    """A named way to tie taps: a group, or `random` with the orbit sizes of the group `like`."""

    name: str
    like: str = "rot90"
    seed: int = 0

    def __post_init__(self) -> None:
        for group in (self.like, *(() if self.name == "random" else (self.name,))):
            if group not in GROUP_ELEMENTS:
                raise ValueError(
                    f"symmetry={group}: allowed are {', '.join(GROUP_ELEMENTS)}, random"
                )

    def orbits(self, kernel_size: KernelSize) -> Tensor:
        """Return each tap's orbit: labels (kh * kw) in 0 .. d-1.

        Raises:
            ValueError: the group needs a square kernel and `kernel_size` is not square.
        """
        if self.name == "random":
            return random_orbits(self.like, kernel_size, self.seed)
        return group_orbits(self.name, kernel_size)
