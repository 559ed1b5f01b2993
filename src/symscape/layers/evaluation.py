"""A plain network for passes without gradients: fewer passes over memory, fewer multiplications.

A BatchNorm in eval mode goes into the convolution before it, and kernels that turn out to be tied
are evaluated by their fold where that pays.
"""

from __future__ import annotations

from functools import partial

import torch
from torch import Tensor, nn
from torch.nn import functional

from symscape.layers.costs import WORTH, forward_cost
from symscape.layers.fold import evaluated_fold
from symscape.layers.rewriting import affine_of, rewritten
from symscape.layers.ties import Seen, Ties, orbit_means, versions


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
        self.ties = Ties(conv)
        self.merged: tuple[Seen, torch.dtype, Tensor, Tensor | None] | None = None

    def forward(self, x: Tensor) -> Tensor:
        """Map x (N, I, H, W) to what both modules make of it."""
        conv, norm = self.conv, self.norm
        y: Tensor
        if torch.is_grad_enabled() or conv.weight.is_inference():
            y = conv(x) if norm is None else norm(conv(x))
            return y
        kind, dtype = x.device.type, conv.weight.dtype
        if torch.is_autocast_enabled(kind) and x.dtype != torch.float64:
            dtype = torch.get_autocast_dtype(kind)
            x = x.to(dtype)
        y = self._convolve(x, *self._tensors(dtype))
        return norm(y) if norm is not None and norm.training else y

    def _tensors(self, dtype: torch.dtype) -> tuple[Tensor, Tensor | None]:
        """Return the kernel and bias of both modules; of the convolution alone in train mode."""
        conv, norm = self.conv, self.norm
        if norm is not None and norm.training:
            return conv.weight.to(dtype), None if conv.bias is None else conv.bias.to(dtype)
        others = () if norm is None else (*norm.parameters(), *norm.buffers())
        seen = versions(*conv.parameters(), *others)
        if self.merged is None or self.merged[:2] != (seen, dtype):
            kernel, bias = conv.weight, conv.bias
            if norm is not None:
                kernel, bias = affine_of(norm, kernel, bias)
            bias = None if bias is None else bias.to(dtype)
            self.merged = (seen, dtype, kernel.to(dtype), bias)
        return self.merged[2:]

    def _convolve(self, x: Tensor, kernel: Tensor, bias: Tensor | None) -> Tensor:
        """Convolve, with a fold where that pays."""
        conv, geometry = self.conv, self.ties.geometry(x) if x.device.type == "cpu" else None
        sizes = (conv.in_channels, conv.out_channels, len(x), self.precision)
        if geometry is None or not forward_cost(geometry, *sizes) < WORTH:
            return functional.conv2d(
                x, kernel, bias, conv.stride, conv.padding, conv.dilation, conv.groups
            )
        return evaluated_fold(x, orbit_means(kernel, geometry.labels), bias, geometry)
