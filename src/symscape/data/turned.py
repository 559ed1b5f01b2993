"""Images turned by any angle, or shrunk, about the middle of their frame.

Each output pixel is read off the source at the point that comes to lie there: a cubic convolution
of 4 x 4 pixels (Keys 1981, a = -0.75, as PyTorch has it), black beyond the frame.

The sums are done in float64, which is off by up to 5e-12 levels (24 to 69 pixels, against extended
precision), and rounded to whole levels. Exact halves go up, for the border between two levels lies
a little below the half. So bits differ between machines only where a value comes within 5e-12 of a
border: no guarantee, but odds of one in 10^5 for digits_rot, of one in 10^3 for 10^8 pixels.
"""

from __future__ import annotations

import math

import numpy as np
import torch
from torch import Tensor
from torch.nn.functional import affine_grid, grid_sample

from symscape.data.images import ImageSet
from symscape.stopping import safe_point

BLOCK = 1 << 18
"""Values computed at a time: 2 MB of float64, and at most four times as much for the points."""
TIE = 1e-6
"""Levels by which the border between two levels lies below the half."""
# A stream for each part, so that the test images are the same whatever becomes of the others.
# RandomState's streams are frozen by NumPy.
ANGLE_SEEDS = {"train": 20260201, "test": 20260202}
FACTOR_SEEDS = {"train": 20260203, "test": 20260204}
SMALLEST = 0.3
"""Of the factors of MNIST-scale (Sohn and Lee 2012)."""


def turned(images: Tensor, angles: Tensor) -> Tensor:
    """Return the images turned counter-clockwise as seen, rows counting downwards.

    A quarter turn of square images is `torch.rot90(images, 1, (-2, -1))` to the bit. Costs about
    0.1 ms of a core an image of 3 x 32 x 32.

    Args:
        images: uint8, (N, C, H, W), in any order of memory.
        angles: radians, (N,).

    Returns:
        uint8, (N, C, H, W), laid out (N, H, W, C).
    """
    return turned_and_scaled(images, angles, torch.ones(len(angles)))


def scaled(images: Tensor, factors: Tensor) -> Tensor:
    """Return the images with their content `factors` times as large; below 1 it shrinks.

    Shrinking does not average: detail finer than a pixel of the result aliases.

    Args:
        images: uint8, (N, C, H, W), in any order of memory.
        factors: above 0, (N,).

    Returns:
        uint8, (N, C, H, W), laid out (N, H, W, C).
    """
    return turned_and_scaled(images, torch.zeros(len(factors)), factors)


def turned_and_scaled(images: Tensor, angles: Tensor, factors: Tensor) -> Tensor:
    """Do both, reading the source once; arguments and result as of `turned` and `scaled`."""
    height, width = images.shape[2:]
    cosines = angles.double().cos() / factors.double()
    sines = angles.double().sin() / factors.double()
    # The inverse motion, from pixels of the output to the source; the grid's unit of length is half
    # a side, which the two axes of a wide image do not share.
    across = torch.stack([cosines, -sines * (height / width)], 1)
    down = torch.stack([sines * (width / height), cosines], 1)
    return _sampled(images, torch.stack([across, down], 1))


def _sampled(images: Tensor, matrices: Tensor) -> Tensor:
    """Read images off at the points matrix @ (x, y), both in half sides from the middle."""
    count, channels, height, width = images.shape
    out = torch.empty(count, height, width, channels, dtype=torch.uint8).permute(0, 3, 1, 2)
    affine = torch.cat([matrices, torch.zeros(count, 2, 1, dtype=torch.float64)], 2)
    if not count:
        return out
    a_block = max(1, BLOCK // (channels * height * width))
    for source, target, maps in zip(
        *(torch.split(each, a_block) for each in (images, out, affine)), strict=True
    ):
        safe_point()
        points = affine_grid(maps, [len(maps), 1, height, width], align_corners=False)
        # Planar: the layout of decoded images would take a slow path.
        planes = source.double().contiguous()
        levels = grid_sample(planes, points, "bicubic", "zeros", align_corners=False)
        target.copy_(levels.add_(0.5 + TIE).floor_().clamp_(0, 255))
    return out


def uniform(seed: int, low: float, high: float, count: int) -> Tensor:
    """Return numbers that are uniform in [low, high): float64 (count,), the same for every run."""
    return torch.from_numpy(np.random.RandomState(seed).uniform(low, high, count))


def turned_parts(train: ImageSet, test: ImageSet, which: str) -> tuple[ImageSet, ImageSet]:
    """Turn every image by its own angle, uniform in [0, 2 pi) and the same for every run.

    Args:
        train: Left upright where `which` is test.
        test: Always turned.
        which: `data.turned`: both or test.
    """
    train = turned_set(train, "train") if which == "both" else train
    return train, turned_set(test, "test")


def turned_set(images: ImageSet, part: str) -> ImageSet:
    """Turn every image of a part by its own angle."""
    return ImageSet(turned(images.images, angles_of(part, len(images))), images.labels)


def scaled_set(images: ImageSet, part: str, turn: bool) -> ImageSet:
    """Shrink every image of a part by its own factor, uniform in [0.3, 1); turn it, too, if told.

    50,000 images of 28 x 28 pixels take 3 s of a core.
    """
    count = len(images)
    factors = uniform(FACTOR_SEEDS[part], SMALLEST, 1, count)
    angles = angles_of(part, count) if turn else torch.zeros(count)
    return ImageSet(turned_and_scaled(images.images, angles, factors), images.labels)


def angles_of(part: str, count: int) -> Tensor:
    """Return the angles by which the images of a part are turned: radians, (count,)."""
    return uniform(ANGLE_SEEDS[part], 0, 2 * math.pi, count)
