"""Resizing a whole image set, once, when it is loaded.

The filter is Pillow's BILINEAR, which folders are resized with when they are decoded: a triangle as
wide as a source pixel where an image grows, and as wide as an output pixel where it shrinks.
Its weights are whole numbers over a common divisor, and sums of whole numbers below 2^53 are exact
in float64. So every machine, number of threads and size of blocks gives the same bits, and a run
is recognised by its images elsewhere than where it was trained.
"""

from __future__ import annotations

import os
from math import gcd

import torch
from torch import Tensor

from symscape.data.images import ImageSet
from symscape.errors import ConfigError
from symscape.stopping import safe_point

BLOCK = 1 << 20
"""Values computed at a time: 8 MB of float64, and as much again."""


def resized(images: ImageSet, size: int) -> ImageSet:
    """Return the set with images of `size` x `size` pixels; itself, if they are that already.

    Costs 2 C n w (h + n) operations an image of h x w pixels with C channels, n = size: 10,000
    CIFAR images take half a second of a core at 33 pixels, 10 s at 224.

    Raises:
        ConfigError: the result is larger than the machine's memory.
    """
    count, channels, *before = images.images.shape
    if before == [size, size]:
        return images
    check_memory(count, channels, size)
    out = torch.empty(count, size, size, channels, dtype=torch.uint8).permute(0, 3, 1, 2)
    a_block = max(1, BLOCK // (channels * max(size, *before) ** 2))
    for source, target in zip(
        torch.split(images.images, a_block), torch.split(out, a_block), strict=True
    ):
        safe_point()
        target.copy_(resize(source, size))
    return ImageSet(out, images.labels)


def resize(images: Tensor, size: int) -> Tensor:
    """Bring uint8 images, (N, C, H, W), to (N, C, size, size); a half is rounded up."""
    (rows, row_sum), (columns, column_sum) = (triangle(n, size) for n in images.shape[2:])
    # Twice the numerator: the half that rounding adds is whole then, too.
    sums = (2 * rows) @ (images.contiguous().double() @ columns.T)
    whole = row_sum[:, None] * column_sum
    return sums.add_(whole).div_(2 * whole).floor_().to(torch.uint8)


def triangle(before: int, after: int) -> tuple[Tensor, Tensor]:
    """Return what each source pixel of an axis counts for each output pixel, in whole numbers.

    Returns:
        Weights, float64 (after, before), and their sums, (after,), which they are to be divided by.
    """
    divisor = gcd(before, after)
    before_parts, after_parts = before // divisor, after // divisor
    # Twice the centres of pixels, in the unit in which both kinds of pixels are whole numbers wide.
    centres = (2 * torch.arange(after) + 1)[:, None] * before_parts
    distances = (centres - (2 * torch.arange(before) + 1) * after_parts).abs()
    weights = (2 * max(before_parts, after_parts) - distances).clamp(min=0).double()
    return weights, weights.sum(1)


def check_memory(count: int, channels: int, size: int) -> None:
    """Raise ConfigError where the images cannot fit: the system would end the process."""
    wanted, memory = count * channels * size**2, physical_memory()
    if wanted > memory:
        raise ConfigError(
            "data.image_size",
            size,
            f"{count:,} images of this size are {wanted / 1e9:,.1f} GB, "
            f"this machine has {memory / 1e9:,.1f} GB of memory",
        )


def physical_memory() -> int:
    """Return the bytes of memory that this machine has."""
    return os.sysconf("SC_PAGE_SIZE") * os.sysconf("SC_PHYS_PAGES")
