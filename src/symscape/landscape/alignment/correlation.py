"""Correlations of the channels of two networks over samples that come batch by batch."""

from __future__ import annotations

from dataclasses import dataclass

import torch
from torch import Tensor

from symscape.layers.folding.workers import on_all_cores

FIRST = 4096
"""Samples whose mean is taken off all: far from 0, products in bfloat16 lose the covariance."""


@dataclass
class Sums:
    """Sums over samples (images and pixels) of the channels a (C,) and b (C,) of one tap.

    Less about their means, which correlations do not depend on.
    """

    count: int
    means: tuple[Tensor, Tensor]
    a: Tensor
    b: Tensor
    aa: Tensor
    bb: Tensor
    ab: Tensor

    def add(self, other: Sums) -> Sums:
        """Return the sums over the samples of both, which are less about the same means."""
        return Sums(
            self.count + other.count,
            self.means,
            *(getattr(self, k) + getattr(other, k) for k in ("a", "b", "aa", "bb", "ab")),
        )

    def correlation(self) -> Tensor:
        """Return (C, C) in float64; a channel that never changes correlates with nothing."""
        a, b = self.a / self.count, self.b / self.count
        covariance = self.ab / self.count - torch.outer(a, b)
        norms = torch.outer(
            (self.aa / self.count - a.square()).clamp(min=0).sqrt(),
            (self.bb / self.count - b.square()).clamp(min=0).sqrt(),
        )
        return torch.where(norms > 0, covariance / norms, 0.0)


def mean_of(x: Tensor) -> Tensor:
    """Return about the mean (C,) of samples (N, C): that of the first ones."""
    return x[:FIRST].to(torch.promote_types(x.dtype, torch.float32)).mean(0).to(x.dtype)


def sums_of(a: Tensor, b: Tensor, means: tuple[Tensor, Tensor]) -> Sums:
    """Return the sums over samples a (N, C) and b (N, C), less about these means (C,).

    Products are in the type of the activations, the rest in float32 or better. This runs within
    the forward pass, whose autocast would round it.
    """
    wide = torch.promote_types(a.dtype, torch.float32)

    def work(blocks: list[slice]) -> list[Tensor]:
        sums = [torch.zeros(a.shape[1], dtype=torch.float64, device=a.device) for _ in range(4)]
        sums.append(torch.outer(sums[0], sums[0]))
        for block in blocks:
            x, y = a[block] - means[0], b[block] - means[1]
            p, q = x.to(wide), y.to(wide)
            parts = [p.sum(0), q.sum(0), (p * p).sum(0), (q * q).sum(0), x.T @ y]
            for total, part in zip(sums, parts, strict=True):
                total += part
        return sums

    with torch.autocast(a.device.type, enabled=False):
        parts = on_all_cores(len(a), a.shape[1] * wide.itemsize, a.device, work)
    return Sums(len(a), means, *(sum(each[1:], each[0]) for each in zip(*parts, strict=True)))
