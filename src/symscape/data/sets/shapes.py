"""Drawn shapes with a class for each pixel: images that need no download, of any size.

On a ground of slow grey levels lie disks, squares, triangles and crosses, dark or bright, later
ones above earlier ones. Image i of a part depends on the part and on i alone.
"""

from __future__ import annotations

import math
from collections.abc import Callable

import numpy as np
import torch
from numpy.typing import NDArray
from torch.nn.functional import interpolate

from symscape.data.images import ImageSet, channels_last
from symscape.errors import ConfigError
from symscape.stopping import safe_point

CLASSES = ("ground", "disk", "square", "triangle", "cross")
SIZE = 64
SMALLEST = 32
"""Pixels; on fewer, shapes would cover everything."""
COUNTS = {"train": 1600, "test": 400}
LEVELS, GROUND = 6, (0.25, 0.75)
SHAPES, RADIUS = (3, 6), (7.0, 14.0)
DARK, BRIGHT, NOISE = (0.0, 0.2), (0.8, 1.0), 0.05

Numbers = NDArray[np.float64]


def load_shapes(size: int) -> tuple[ImageSet, ImageSet, tuple[str, ...]]:
    """Return the training images, the test images and the class names.

    Images are uint8, (N, 1, size, size), labels uint8, (N, size, size). Cost: 0.4 ms an image of 64
    pixels.

    Raises:
        ConfigError: the size is too small for shapes.
    """
    if size < SMALLEST:
        raise ConfigError("data.image_size", size, f"data=shapes takes {SMALLEST} pixels or more")
    train, test = (_part(part, count, size) for part, count in COUNTS.items())
    return train, test, CLASSES


def _part(part: str, count: int, size: int) -> ImageSet:
    images = np.empty((count, size, size, 1), np.uint8)
    masks = np.empty((count, size, size), np.uint8)
    for i in range(count):
        safe_point()
        images[i, ..., 0], masks[i] = draw_image(part, i, size)
    return channels_last(torch.from_numpy(images), torch.from_numpy(masks))


def draw_image(part: str, i: int, size: int) -> tuple[NDArray[np.uint8], NDArray[np.uint8]]:
    """Return image i of a part and the class of each of its pixels, both (size, size)."""
    random = np.random.default_rng((list(COUNTS).index(part), i))
    coarse = torch.from_numpy(random.uniform(*GROUND, (1, 1, LEVELS, LEVELS)))
    image = interpolate(coarse, size=(size, size), mode="bilinear", align_corners=True)[
        0, 0
    ].numpy()
    mask = np.zeros((size, size), np.uint8)
    # The middles of pixels.
    y, x = np.mgrid[0:size, 0:size] + 0.5
    for _ in range(random.integers(SHAPES[0], SHAPES[1] + 1)):
        kind = random.integers(1, len(CLASSES))
        radius, angle = random.uniform(*RADIUS), random.uniform(0, 2 * math.pi)
        top, left = random.uniform(0, size, 2)
        level = random.uniform(*(DARK if random.random() < 0.5 else BRIGHT))
        across = (x - left) * math.cos(angle) + (y - top) * math.sin(angle)
        along = (y - top) * math.cos(angle) - (x - left) * math.sin(angle)
        inside = INSIDE[CLASSES[kind]](across / radius, along / radius)
        image[inside], mask[inside] = level, kind
    noisy = image + random.normal(0, NOISE, image.shape)
    return (noisy.clip(0, 1) * 255).round().astype(np.uint8), mask


def _disk(u: Numbers, v: Numbers) -> NDArray[np.bool_]:
    return u**2 + v**2 <= 1


def _square(u: Numbers, v: Numbers) -> NDArray[np.bool_]:
    return np.maximum(abs(u), abs(v)) <= math.sqrt(0.5)


def _triangle(u: Numbers, v: Numbers) -> NDArray[np.bool_]:
    """Return what lies within three lines at half the radius."""
    sides = [u * math.cos(a) + v * math.sin(a) for a in (0.0, 2 * math.pi / 3, 4 * math.pi / 3)]
    inside: NDArray[np.bool_] = np.maximum.reduce(sides) <= 0.5
    return inside


def _cross(u: Numbers, v: Numbers) -> NDArray[np.bool_]:
    thin = np.minimum(abs(u), abs(v)) <= 0.25
    return thin & (np.maximum(abs(u), abs(v)) <= 0.95)


INSIDE: dict[str, Callable[[Numbers, Numbers], NDArray[np.bool_]]] = {
    "disk": _disk,
    "square": _square,
    "triangle": _triangle,
    "cross": _cross,
}
"""Whether points lie in a shape of radius 1."""
