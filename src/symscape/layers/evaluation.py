"""A plain network for passes without gradients: fewer passes over memory, fewer multiplications.

A BatchNorm in eval mode goes into the convolution before it, and kernels that turn out to be tied
are evaluated by their fold where that pays.
"""

from __future__ import annotations

from functools import partial

import torch
from torch import Tensor, nn
from torch.nn import functional

from symscape.layers.conv import taps_last
from symscape.layers.fold import folded_conv2d
from symscape.layers.plan import WORTH, forward_cost
from symscape.layers.rewriting import affine_of, rewritten
from symscape.layers.stencil import Geometry

# Taps are equal up to the rounding of float32, relative to the largest of a kernel.
TOLERANCE = 1e-6

Labels = tuple[tuple[int, ...], ...]
Seen = tuple[tuple[int, int], ...]
"""Which tensors, in which version, something was made of."""


def for_evaluation(network: nn.Module, precision: str) -> nn.Module:
    """Return the same function for passes without gradients; it shares all tensors with `network`.

    What is made of the tensors is made again whenever they change, so it serves every network that
    is filled in: a run's, and those on the line between two runs. Which taps are tied is read from
    the kernels. Where a norm of `network` is in train mode, its pass is as always.

    Args:
        network: in eval mode.
        precision: float32, bfloat16 or float64, in which it computes.
    """
    return rewritten(network, partial(_Evaluation, precision=precision))


class _Evaluation(nn.Module):
    """A convolution and the BatchNorm behind it, if any."""

    def __init__(self, conv: nn.Conv2d, norm: nn.BatchNorm2d | None, precision: str) -> None:
        super().__init__()
        self.conv, self.norm, self.precision = conv, norm, precision
        self.tied: tuple[Seen, Labels | None] = ((), None)
        self.merged: tuple[Seen, torch.dtype, Tensor, Tensor | None] | None = None

    def forward(self, x: Tensor) -> Tensor:
        """Map x (N, I, H, W) to what both modules make of it."""
        conv, norm = self.conv, self.norm
        y: Tensor
        if torch.is_grad_enabled() or conv.weight.is_inference():
            y = conv(x) if norm is None else norm(conv(x))
            return y
        if norm is not None and norm.training:
            y = norm(self._convolve(x, conv.weight, conv.bias))
            return y
        kind = x.device.type
        if torch.is_autocast_enabled(kind) and x.dtype != torch.float64:
            x = x.to(torch.get_autocast_dtype(kind))
        return self._convolve(x, *self._merge(x.dtype))

    def _merge(self, dtype: torch.dtype) -> tuple[Tensor, Tensor | None]:
        """Return kernel and bias of both modules."""
        conv, norm = self.conv, self.norm
        others = () if norm is None else (*norm.parameters(), *norm.buffers())
        seen = _versions(*conv.parameters(), *others)
        if self.merged is None or self.merged[:2] != (seen, dtype):
            kernel, bias = conv.weight, conv.bias
            if norm is not None:
                kernel, bias = affine_of(norm, kernel, bias)
            bias = None if bias is None else bias.to(dtype)
            self.merged = (seen, dtype, kernel.to(dtype), bias)
        return self.merged[2:]

    def _convolve(self, x: Tensor, kernel: Tensor, bias: Tensor | None) -> Tensor:
        """Convolve, with a fold where that pays."""
        conv = self.conv
        geometry = self._fold_of(x)
        if geometry is None:
            return functional.conv2d(
                x, kernel, bias, conv.stride, conv.padding, conv.dilation, conv.groups
            )
        flat = [label for row in geometry.labels for label in row]
        first = [flat.index(orbit) for orbit in range(geometry.orbits)]
        y = folded_conv2d(x, taps_last(kernel)[:, first], geometry)
        return y if bias is None else y.add_(bias.to(y.dtype)[:, None, None])

    def _fold_of(self, x: Tensor) -> Geometry | None:
        """Return the geometry of the fold of images like x; None where it does not pay."""
        conv = self.conv
        if x.device.type != "cpu" or not _simple(conv):
            return None
        seen = _versions(conv.weight)
        if self.tied[0] != seen:
            self.tied = (seen, tied_taps(conv.weight))
        if (labels := self.tied[1]) is None:
            return None
        top, left = (int(p) for p in conv.padding)
        geometry = Geometry(labels, (x.shape[-2], x.shape[-1]), conv.stride[0], (top, left))
        cost = forward_cost(geometry, conv.in_channels, conv.out_channels, len(x), self.precision)
        return geometry if cost < WORTH else None


def _versions(*tensors: Tensor) -> Seen:
    return tuple((id(tensor), tensor._version) for tensor in tensors)


def _simple(conv: nn.Conv2d) -> bool:
    """Return whether a convolution has taps to tie, and nothing that a fold does not do."""
    return (
        conv.kernel_size != (1, 1)
        and conv.groups == 1
        and conv.dilation == (1, 1)
        and conv.stride[0] == conv.stride[1]
    )


@torch.no_grad()
def tied_taps(kernel: Tensor) -> Labels | None:
    """Return which taps of a kernel (O, I, kh, kw) are equal in all filters; None if none are.

    Cost: a pass over the kernel for each tap that is tied.
    """
    taps = taps_last(kernel.detach()).transpose(0, 1)
    tolerance = TOLERANCE * kernel.abs().amax()
    firsts: list[Tensor] = []
    labels = []
    for tap in taps:
        for label, first in enumerate(firsts):
            # One filter tells nearly all that differ.
            if all(
                bool(((a - b).abs() <= tolerance).all())
                for a, b in ((tap[0], first[0]), (tap, first))
            ):
                labels.append(label)
                break
        else:
            labels.append(len(firsts))
            firsts.append(tap)
    if len(firsts) == len(labels):
        return None
    width = kernel.shape[-1]
    return tuple(tuple(labels[i : i + width]) for i in range(0, len(labels), width))
