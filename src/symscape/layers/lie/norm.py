"""Norms whose statistics and affine map are shared by the N elements of a channel.

Untied ones would treat elements differently, and what the network makes of a turned image with
them: equivariance is lost as soon as their statistics are those of upright images.

Where several processes train one network, statistics in training are those of the whole batch.
"""

from __future__ import annotations

from typing import Any

import torch
from torch import Tensor, distributed, nn


def ranks() -> int:
    """Return how many processes train together."""
    return distributed.get_world_size() if distributed.is_initialized() else 1


def _summed(*vectors: Tensor) -> tuple[Tensor, ...]:
    """Return the sums of vectors over all ranks; themselves where there is one."""
    if ranks() == 1:
        return vectors
    joined = torch.cat(vectors)
    distributed.all_reduce(joined)
    return torch.split(joined, [len(vector) for vector in vectors])


class _TiedNormalise(torch.autograd.Function):
    """Normalises x (B, C N, H, W), channels-last, by statistics over B, N, H and W.

    By PyTorch's BatchNorm of C N channels, whose statistics are pooled: it is the one fast pass
    over memory laid out like this.
    """

    @staticmethod
    def forward(
        ctx: Any, x: Tensor, weight: Tensor, bias: Tensor, size: int, eps: float
    ) -> tuple[Tensor, Tensor, Tensor, float]:
        centre, variance = _moments(x, size, eps)
        count: float = x.numel() // (x.shape[1] // size)
        if ranks() > 1:
            centre, variance, count = _moments_of_all(centre, variance, count)
        w, b, m, v = (t.repeat_interleave(size) for t in (weight, bias, centre, variance))
        y = torch.native_batch_norm(x, w, b, m, v, False, 0.0, eps)[0] if len(x) else x.clone()
        ctx.save_for_backward(x, w, m, v)
        ctx.size, ctx.eps, ctx.count = size, eps, count
        ctx.mark_non_differentiable(centre, variance)
        return y, centre, variance, count

    @staticmethod
    @torch.autograd.function.once_differentiable
    def backward(ctx: Any, *gradients: Tensor) -> tuple[Tensor | None, ...]:
        x, weight, mean, variance = ctx.saved_tensors
        size, gradient = ctx.size, gradients[0]
        empty = mean.new_empty(0)
        if len(x):
            dx, dw, db = torch.ops.aten.native_batch_norm_backward(
                gradient, x, weight, mean, variance, empty, empty, False, ctx.eps, [True] * 3
            )
        else:  # A rank's part of a small last batch.
            dx, dw, db = torch.zeros_like(x), torch.zeros_like(mean), torch.zeros_like(mean)
        dw, db = dw.view(-1, size).sum(1), db.view(-1, size).sum(1)
        # That was the gradient with constant statistics; these follow x too, that of all ranks:
        # dx -= g / sigma (mean(dy) + x^ mean(dy x^)), a map a channel.
        all_dw, all_db = (each / ctx.count for each in _summed(dw, db))
        inverse = (variance + ctx.eps).rsqrt()
        slope = -(weight * inverse * inverse) * all_dw.repeat_interleave(size)
        shift = -(weight * inverse) * all_db.repeat_interleave(size) - slope * mean
        dx = dx.addcmul_(x, slope.to(x.dtype)[:, None, None]).add_(shift.to(x.dtype)[:, None, None])
        return dx, dw, db, None, None


def _moments(x: Tensor, size: int, eps: float) -> tuple[Tensor, Tensor]:
    """Return mean and variance (C,) of x (B, C N, H, W), of this rank's images; 0 without any."""
    wide = torch.promote_types(x.dtype, torch.float32)
    if not len(x):
        nothing = x.new_zeros(x.shape[1] // size, dtype=wide)
        return nothing, nothing
    _, mean, inverse = torch.native_batch_norm(x, None, None, None, None, True, 0.0, eps)
    mean, inverse = mean.to(wide), inverse.to(wide)
    own = inverse.square().reciprocal() - eps
    centre = mean.view(-1, size).mean(1)
    spread = own + (mean - centre.repeat_interleave(size)).square()
    return centre, spread.view(-1, size).mean(1).clamp(min=0)


def _moments_of_all(centre: Tensor, variance: Tensor, own: float) -> tuple[Tensor, Tensor, float]:
    """Return mean and variance (C,) and number of values of all ranks together.

    The mean first: squares of a mean that is large would round a small variance away.
    """
    # In float64, which tells all numbers of values apart.
    total, counts = _summed(centre.double() * own, centre.new_full((1,), own, dtype=torch.float64))
    count = counts.item()
    mean = (total / count).to(centre)
    (squares,) = _summed((variance + (centre - mean).square()) * own)
    return mean, squares / count, count


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
        y, *moments = _TiedNormalise.apply(x, self.weight, self.bias, self.size, self.eps)
        _follow(self, *moments)
        return y

    def extra_repr(self) -> str:
        """Show channels and elements."""
        return f"{self.channels} x {self.size}, eps={self.eps}, momentum={self.momentum}"


class VectorBatchNorm(nn.BatchNorm1d):
    """A BatchNorm of vectors (B, C), whose statistics in training are those of all ranks."""

    def forward(self, input: Tensor) -> Tensor:
        """Map x (B, C) to the same shape."""
        if not self.training or ranks() == 1:
            return super().forward(input)
        x = input[:, :, None, None].contiguous(memory_format=torch.channels_last)
        y: Tensor
        y, *moments = _TiedNormalise.apply(x, self.weight, self.bias, 1, self.eps)
        _follow(self, *moments)
        return y[:, :, 0, 0]


@torch.no_grad()
def _follow(
    norm: TiedBatchNorm | VectorBatchNorm, mean: Tensor, variance: Tensor, count: float
) -> None:
    """Bring running statistics closer to a batch's."""
    assert norm.running_mean is not None and norm.running_var is not None
    assert norm.num_batches_tracked is not None
    norm.num_batches_tracked += 1
    share = norm.momentum
    if share is None:
        share = 1.0 / float(norm.num_batches_tracked)
    unbiased = variance * (count / max(count - 1, 1))
    norm.running_mean.lerp_(mean.to(norm.running_mean), share)
    norm.running_var.lerp_(unbiased.to(norm.running_var), share)


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
