"""A depthwise convolution whose weight gradient is a fast one.

PyTorch's weight gradient of a depthwise convolution takes two thirds of its forward and backward
pass on a CPU. It is itself a depthwise convolution: of each image's channel, with the gradient of
the output's channel as the kernel, and as many outputs as there are taps.
"""

from __future__ import annotations

from typing import Any

import torch
from torch import Tensor

LARGE = 5
"""Taps a side from which the weight gradient is ours; with 3 x 3 PyTorch's own is faster."""


class _Depthwise(torch.autograd.Function):
    """y = w * x; x (B, C, H, W), w (C, 1, k, k), p rows and columns of zeros on each side."""

    @staticmethod
    def forward(ctx: Any, x: Tensor, w: Tensor, padding: int) -> Tensor:
        ctx.save_for_backward(x, w)
        ctx.padding = padding
        return torch.conv2d(x, w, padding=padding, groups=x.shape[1])

    @staticmethod
    @torch.autograd.function.once_differentiable
    def backward(ctx: Any, *gradients: Tensor) -> tuple[Tensor | None, ...]:
        x, w = ctx.saved_tensors
        gradient, p = gradients[0], ctx.padding
        dx = dw = None
        if ctx.needs_input_grad[0]:
            options = ([1, 1], [p, p], [1, 1], False, [0, 0], x.shape[1], [True, False, False])
            dx = torch.ops.aten.convolution_backward(gradient, x, w, None, *options)[0]
        if ctx.needs_input_grad[1]:
            dw = _weight_gradient(x, gradient, p).to(w.dtype)
        return dx, dw, None


def _weight_gradient(x: Tensor, gradient: Tensor, padding: int) -> Tensor:
    """Return the gradient (C, 1, k, k)."""
    batch, channels = x.shape[:2]
    if not batch:  # A rank's part of a small last batch.
        height, width = (x.shape[i] + 2 * padding - gradient.shape[i] + 1 for i in (2, 3))
        return x.new_zeros(channels, 1, height, width)
    planes = x.reshape(1, batch * channels, *x.shape[2:])
    kernels = gradient.reshape(batch * channels, 1, *gradient.shape[2:])
    each = torch.conv2d(planes, kernels, padding=padding, groups=batch * channels)
    return each.view(batch, channels, 1, *each.shape[2:]).sum(0)


def depthwise(x: Tensor, weight: Tensor, padding: int) -> Tensor:
    """Convolve each channel of x (B, C, H, W) with its own kernel (C, 1, k, k).

    Args:
        x: images; under autocast they are brought to its type.
        weight: kernels.
        padding: rows and columns of zeros on each side.
    """
    kind = x.device.type
    if kind != "cpu":  # GPUs have kernels of their own for it.
        return torch.conv2d(x, weight, padding=padding, groups=x.shape[1])
    given = x.dtype
    if torch.is_autocast_enabled(kind) and given != torch.float64:
        given = torch.get_autocast_dtype(kind)
        # In bfloat16 all three passes are slower on a CPU, by more than it costs to convert.
        x, weight = x.float(), weight.float()
    with torch.autocast(kind, enabled=False):
        if weight.shape[-1] < LARGE:
            y = torch.conv2d(x, weight, padding=padding, groups=x.shape[1])
        else:
            y = _Depthwise.apply(x, weight, padding)
    return y.to(given)
