"""Norms whose statistics and affine map are shared by the N elements of a channel.

Untied ones would treat elements differently, and what the network makes of a turned image with
them: equivariance is lost as soon as their statistics are those of upright images.
"""

from __future__ import annotations

from typing import Any

import torch
from torch import Tensor, nn


class _TiedNormalise(torch.autograd.Function):
    """Normalises x (B, C N, H, W), channels-last, by statistics over B, N, H and W.

    By PyTorch's BatchNorm of C N channels, whose statistics are pooled: it is the one fast pass
    over memory laid out like this.
    """

    @staticmethod
    def forward(
        ctx: Any, x: Tensor, weight: Tensor, bias: Tensor, size: int, eps: float
    ) -> tuple[Tensor, Tensor, Tensor]:
        wide = torch.promote_types(x.dtype, torch.float32)
        _, mean, inverse = torch.native_batch_norm(x, None, None, None, None, True, 0.0, eps)
        mean, inverse = mean.to(wide), inverse.to(wide)
        own = inverse.square().reciprocal() - eps
        centre = mean.view(-1, size).mean(1)
        spread = own + (mean - centre.repeat_interleave(size)).square()
        variance = spread.view(-1, size).mean(1).clamp(min=0)
        w, b, m, v = (t.repeat_interleave(size) for t in (weight, bias, centre, variance))
        y = torch.native_batch_norm(x, w, b, m, v, False, 0.0, eps)[0]
        ctx.save_for_backward(x, w, m, v)
        ctx.size, ctx.eps = size, eps
        ctx.mark_non_differentiable(centre, variance)
        return y, centre, variance

    @staticmethod
    @torch.autograd.function.once_differentiable
    def backward(ctx: Any, *gradients: Tensor) -> tuple[Tensor | None, ...]:
        x, weight, mean, variance = ctx.saved_tensors
        size, gradient = ctx.size, gradients[0]
        empty = mean.new_empty(0)
        dx, dw, db = torch.ops.aten.native_batch_norm_backward(
            gradient, x, weight, mean, variance, empty, empty, False, ctx.eps, [True, True, True]
        )
        dw, db = dw.view(-1, size).sum(1), db.view(-1, size).sum(1)
        # That was the gradient with constant statistics; these follow x too:
        # dx -= g / sigma (mean(dy) + x^ mean(dy x^)), a map a channel.
        count = x.numel() // (x.shape[1] // size)
        inverse = (variance + ctx.eps).rsqrt()
        slope = -(weight * inverse * inverse) * (dw / count).repeat_interleave(size)
        shift = -(weight * inverse) * (db / count).repeat_interleave(size) - slope * mean
        dx = dx.addcmul_(x, slope.to(x.dtype)[:, None, None]).add_(shift.to(x.dtype)[:, None, None])
        return dx, dw, db, None, None


class TiedBatchNorm(nn.Module):
    """BatchNorm over maps on a group: C means, variances, weights and biases for C N channels.

    Not a subclass of PyTorch's, which what converts those to other norms would untie.

    Args:
        channels: C.
        size: N.
        eps, momentum: as of nn.BatchNorm2d.
    """

    running_mean: Tensor
    running_var: Tensor
    num_batches_tracked: Tensor
    track_running_stats = True

    def __init__(
        self, channels: int, size: int, eps: float = 1e-5, momentum: float | None = 0.1
    ) -> None:
        super().__init__()
        self.channels, self.size, self.eps = channels, size, eps
        self.momentum: float | None = momentum
        self.weight = nn.Parameter(torch.ones(channels))
        self.bias = nn.Parameter(torch.zeros(channels))
        self.register_buffer("running_mean", torch.zeros(channels))
        self.register_buffer("running_var", torch.ones(channels))
        self.register_buffer("num_batches_tracked", torch.tensor(0))

    def forward(self, x: Tensor) -> Tensor:
        """Map x (B, C N, H, W) to the same shape."""
        if not self.training:
            vectors = (self.running_mean, self.running_var, self.weight, self.bias)
            m, v, w, b = (t.repeat_interleave(self.size) for t in vectors)
            return nn.functional.batch_norm(x, m, v, w, b, False, 0.0, self.eps)
        y: Tensor
        y, mean, variance = _TiedNormalise.apply(x, self.weight, self.bias, self.size, self.eps)
        self._follow(mean, variance, x.numel() // self.channels)
        return y

    @torch.no_grad()
    def _follow(self, mean: Tensor, variance: Tensor, count: int) -> None:
        self.num_batches_tracked += 1
        share = self.momentum
        if share is None:
            share = 1.0 / float(self.num_batches_tracked)
        unbiased = variance * (count / max(count - 1, 1))
        self.running_mean.lerp_(mean.to(self.running_mean), share)
        self.running_var.lerp_(unbiased.to(self.running_var), share)

    def extra_repr(self) -> str:
        """Show channels and elements."""
        return f"{self.channels} x {self.size}, eps={self.eps}, momentum={self.momentum}"


class TiedLayerNorm(nn.Module):
    """A norm over channels, elements and pixels of one image, with an affine map a channel.

    Args:
        channels: C.
        size: N.
        eps: as of nn.GroupNorm.
    """

    def __init__(self, channels: int, size: int, eps: float = 1e-5) -> None:
        super().__init__()
        self.channels, self.size, self.eps = channels, size, eps
        self.weight = nn.Parameter(torch.ones(channels))
        self.bias = nn.Parameter(torch.zeros(channels))

    def forward(self, x: Tensor) -> Tensor:
        """Map x (B, C N, H, W) to the same shape."""
        weight, bias = (t.repeat_interleave(self.size) for t in (self.weight, self.bias))
        return nn.functional.group_norm(x, 1, weight, bias, self.eps)

    def extra_repr(self) -> str:
        """Show channels and elements."""
        return f"{self.channels} x {self.size}, eps={self.eps}"
