"""Kernels that are sums of a few products: a pointwise kernel, then one kernel a channel.

A kernel of a separable group convolution is one such product, and one on the line between two of
them is a sum of two, whatever order their channels are in. P output and Q input channels, T taps.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import torch
from torch import Tensor
from torch.nn.functional import conv2d

WORTH = 1 / 3
"""Products cost passes over memory of their own: worth it below this share of multiplications."""
MOST = 3
"""Products of a sum, at most: as many as networks that a plane goes through."""
ROUNDINGS = 8
"""Of a channel's largest entry: what is left of it after its products is no more than that."""
FEW = 4
"""Output channels that are looked at first: nearly all kernels are known by them to be no sum."""


@dataclass(frozen=True)
class Product:
    """W[p, q, t] = mix[p, q] each[p, t]."""

    mix: Tensor
    """(P, Q, 1, 1)"""
    each: Tensor
    """(P, 1, kh, kw)"""


@torch.no_grad()
def products_of(kernel: Tensor) -> list[Product]:
    """Return the products whose sum a kernel (P, Q, kh, kw) is, up to rounding; none if too many.

    Gaussian elimination with complete pivoting, of each output channel's (Q, T) matrix, in float64.
    Cost: for each product three passes over the kernel; for other kernels a few channels' alone.
    """
    (outputs, inputs), taps = kernel.shape[:2], kernel.shape[2:].numel()
    most = min(MOST, int(WORTH * inputs * taps / (inputs + taps)))
    if most < 1 or not kernel.numel():
        return []
    rows = kernel.detach().flatten(2)
    if _eliminated(rows[:: max(1, outputs // FEW)], most) is None:
        return []
    found = _eliminated(rows, most) or []
    layout = torch.channels_last
    return [
        Product(
            mix.to(kernel.dtype)[:, :, None, None].contiguous(memory_format=layout),
            each.to(kernel.dtype).view(outputs, 1, *kernel.shape[2:]),
        )
        for mix, each in found
    ]


def _eliminated(rows: Tensor, most: int) -> list[tuple[Tensor, Tensor]] | None:
    """Return (mix (P, Q), each (P, T)) of the products of rows (P, Q, T); None if above `most`."""
    left = rows.double()
    bound = ROUNDINGS * torch.finfo(rows.dtype).eps * left.abs().amax((1, 2))
    found: list[tuple[Tensor, Tensor]] = []
    while not bool((left.abs().amax((1, 2)) <= bound).all()):
        if len(found) == most:
            return None
        place = left.abs().flatten(1).argmax(1)
        q, t = place // left.shape[2], place % left.shape[2]
        channels = torch.arange(len(left), device=left.device)
        mix, each = left[channels, :, t], left[channels, q]
        pivot = each.gather(1, t[:, None])
        # A channel of which nothing is left has no pivot.
        each = torch.where(pivot == 0, 0.0, each / pivot)
        found.append((mix, each))
        left = left - mix[:, :, None] * each[:, None]
    return found


def in_products(
    x: Tensor, products: Sequence[Product], bias: Tensor | None, padding: str | tuple[int, ...]
) -> Tensor:
    """Convolve x (N, Q, H, W) with a sum of products.

    Args:
        x: images, or maps.
        products: one at least.
        bias: (P,)
        padding: rows and columns of zeros on each side.
    """
    total: Tensor | None = None
    for product in products:
        y = conv2d(x, product.mix)
        y = conv2d(y, product.each, bias, padding=padding, groups=len(product.each))
        total, bias = y if total is None else total.add_(y), None
    assert total is not None
    return total
