"""Turning and shrinking against a cubic convolution that is written out, in extended precision."""

from __future__ import annotations

import math

import numpy as np
import pytest
import torch
from numpy.typing import NDArray

from symscape.data.turned import TIE, turned_and_scaled

Exact = NDArray[np.longdouble]
MARGIN = 100
"""Black pixels around the reference's source: enough for 69 pixels at a third of their size."""


def exact(image: NDArray[np.uint8], angle: float, factor: float) -> Exact:
    """Levels before they are rounded: the sum over 4 x 4 pixels, in pixel units from the middle."""
    middle = np.longdouble(len(image) - 1) / 2
    y, x = np.mgrid[0 : len(image), 0 : len(image)] - middle
    cos, sin = (f(np.longdouble(angle)) / np.longdouble(factor) for f in (np.cos, np.sin))
    source = sin * x + cos * y + middle, cos * x - sin * y + middle
    corners = [np.floor(each) for each in source]
    weights = [cubic(each - corner) for each, corner in zip(source, corners, strict=True)]
    padded = np.pad(image, MARGIN).astype(np.longdouble)
    top, left = (corner.astype(int) + MARGIN - 1 for corner in corners)
    return sum(  # type: ignore[return-value]
        weights[0][j] * weights[1][i] * padded[top + j, left + i]
        for j in range(4)
        for i in range(4)
    )


def cubic(t: Exact) -> list[Exact]:
    """Keys 1981, equation 3, at -1 - t, -t, 1 - t and 2 - t, with a = -3/4."""
    a = np.longdouble(-3) / 4

    def near(d: Exact) -> Exact:
        return ((a + 2) * d - (a + 3)) * d**2 + 1

    def far(d: Exact) -> Exact:
        return a * (d**3 - 5 * d**2 + 8 * d - 4)

    return [far(1 + t), near(t), near(1 - t), far(2 - t)]


@pytest.mark.parametrize("size", [24, 28, 33, 69])
def test_levels_are_those_of_the_exact_sums(size):
    random = np.random.RandomState(size)
    images = random.randint(0, 256, (12, size, size)).astype(np.uint8)
    angles = random.uniform(0, 2 * math.pi, 12)
    factors = np.where(np.arange(12) % 2, random.uniform(0.35, 1.5, 12), 1.0)
    found = turned_and_scaled(
        torch.from_numpy(images)[:, None], torch.from_numpy(angles), torch.from_numpy(factors)
    )
    for image, angle, factor, turned in zip(images, angles, factors, found[:, 0], strict=True):
        levels = np.floor(exact(image, angle, factor) + np.longdouble(0.5 + TIE)).clip(0, 255)
        assert np.array_equal(turned.numpy(), levels.astype(np.uint8))
