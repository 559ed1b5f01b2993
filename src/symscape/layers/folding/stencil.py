"""The fold, for every orbit of taps the sum of the inputs that its taps meet, and its adjoint.

F[p, r, i] = sum of x[s p + t, i] over the taps t of orbit r inside the image, with s the stride.
Where channels are last, pixels are rows of a table and every output is a bag of rows, which
PyTorch's `embedding_bag` sums in one pass: in registers, in float32 at least, rounded once.
"""

from __future__ import annotations

import math
from functools import lru_cache

import torch
from torch import Tensor
from torch.nn import functional

from symscape.layers.folding.geometry import Geometry


def fold_size(x: Tensor, geometry: Geometry) -> int:
    """Return the bytes of one image's fold, for images (N, H, W, C)."""
    return math.prod(geometry.out_size) * geometry.orbits * x.shape[-1] * x.element_size()


def fold(x: Tensor, geometry: Geometry) -> Tensor:
    """Return F (N * H' * W', d * C) of images x (N, H, W, C), without gradients."""
    bags = _sums(x.flatten(0, 2), *_table(geometry, len(x), x.device))
    return bags.view(-1, geometry.orbits * x.shape[-1])


def spread(product: Tensor, geometry: Geometry) -> Tensor:
    """Return the adjoint of `fold`: images (N, H, W, C) of a product (N * H' * W', d * C)."""
    images = len(product) // math.prod(geometry.out_size)
    rows = product.view(len(product) * geometry.orbits, -1)
    bags = _sums(rows, *_table(geometry, images, product.device, adjoint=True))
    return bags.view(images, *geometry.size, -1)


def _sums(rows: Tensor, indices: Tensor, offsets: Tensor) -> Tensor:
    return functional.embedding_bag(
        indices, rows.detach(), offsets, mode="sum", include_last_offset=True
    )


@lru_cache(maxsize=128)
def _table(
    geometry: Geometry, images: int, device: torch.device, adjoint: bool = False
) -> tuple[Tensor, Tensor]:
    """Return the rows of all bags, one bag after the other, and where each starts (bags + 1,).

    A bag of a fold is an output's orbit and its rows are pixels; of the adjoint the other way.
    """
    # Ordinary tensors, also where inference mode asks first.
    with torch.inference_mode(False):
        outputs, pixels, orbits = _meetings(geometry)
        bag, row = outputs * geometry.orbits + orbits, pixels
        bags, rows = math.prod(geometry.out_size) * geometry.orbits, math.prod(geometry.size)
        if adjoint:
            bag, row, bags, rows = row, bag, rows, bags
        image = torch.arange(images).unsqueeze(1)
        indices = row[bag.argsort(stable=True)] + rows * image
        ends = torch.bincount(bag, minlength=bags).repeat(images).cumsum(0)
        small = max(images * rows, indices.numel()) < 2**31
        kind = torch.int32 if small else torch.int64
        offsets = functional.pad(ends, (1, 0))
        return indices.flatten().to(device, kind), offsets.to(device, kind)


def _meetings(geometry: Geometry) -> tuple[Tensor, Tensor, Tensor]:
    """Return all triples (output, pixel, orbit) of a tap that is inside the image."""
    met = []
    for row, labels in enumerate(geometry.labels):
        for column, orbit in enumerate(labels):
            tall, wide = geometry.reach(row, 0), geometry.reach(column, 1)
            y = torch.arange(tall.start, tall.stop).unsqueeze(1)
            x = torch.arange(wide.start, wide.stop)
            output = y * geometry.out_size[1] + x
            pixel = geometry.met(y, row, 0) * geometry.size[1] + geometry.met(x, column, 1)
            met.append(torch.stack([output, pixel, torch.full_like(output, orbit)]).flatten(1))
    outputs, pixels, orbits = torch.cat(met, 1)
    return outputs, pixels, orbits
