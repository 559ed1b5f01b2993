"""The same network, rewritten so that differentiating it twice is cheap.

Changes that change neither the function nor the parameters:
- In eval mode BatchNorm is an affine map a channel, so it goes into the kernel and bias of the
  convolution before it. PyTorch differentiates its own BatchNorm twice in some twenty passes over
  the activations.
- The second derivative of a convolution is made of ordinary convolutions, input gradients and
  weight gradients. PyTorch makes them of convolutions over transposed tensors, for which it has no
  fast kernels.
- Where only directions that keep a symmetry matter, the convolutions that obey it fold.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from typing import Any

import torch
from torch import Tensor, nn
from torch.nn import functional
from torch.nn.attention import SDPBackend, sdpa_kernel
from torch.overrides import TorchFunctionMode

from symscape.layers.folding.costs import WORTH, training_cost
from symscape.layers.folding.fold import folded_conv2d
from symscape.layers.folding.geometry import Geometry as Fold
from symscape.layers.folding.ties import Labels, geometry_of, orbit_means
from symscape.layers.rewriting import Norm, affine_of, rewritten
from symscape.layers.sampling.strided import thinned

HARDSIGMOIDS = (functional.hardsigmoid, torch._C._nn.hardsigmoid)
Geometry = tuple[list[int], list[int], list[int], int]
"""Stride, padding, dilation and groups."""


class _Convolution(torch.autograd.Function):
    """y = w * x + b; x (N, C, H, W), w (O, C / groups, kh, kw), b (O,)."""

    @staticmethod
    def forward(ctx: Any, x: Tensor, w: Tensor, b: Tensor | None, geometry: Geometry) -> Tensor:
        ctx.save_for_backward(x, w)
        ctx.geometry, ctx.has_bias = geometry, b is not None
        return _convolve(x, w, b, geometry)

    @staticmethod
    def backward(ctx: Any, *gradients: Tensor) -> tuple[Tensor | None, ...]:
        x, w = ctx.saved_tensors
        need_x, need_w, need_b = ctx.needs_input_grad[:3]
        dx, dw = _Gradients.apply(gradients[0], x, w, ctx.geometry, need_x, need_w)
        db = gradients[0].sum((0, 2, 3)) if need_b else None
        return (dx if need_x else None, dw if need_w else None, db, None)


class _Gradients(torch.autograd.Function):
    """The gradients of <y, g> by x and w, both bilinear; what is not needed comes empty.

    With cotangents u of dx and v of dw, the scalar <u, dx> + <v, dw> is <g, w * u + v * x>. So its
    gradients are w * u + v * x by g, the input gradient of (g, v) by x, and the weight gradient
    of (g, u) by w.
    """

    @staticmethod
    def forward(
        ctx: Any,
        g: Tensor,
        x: Tensor,
        w: Tensor,
        geometry: Geometry,
        need_x: bool,
        need_w: bool,
    ) -> tuple[Tensor, Tensor]:
        ctx.save_for_backward(g, x, w)
        ctx.geometry = geometry
        ctx.set_materialize_grads(False)
        dx, dw = _differentiate(g, x, w, geometry, need_x, need_w)
        return (dx if need_x else g.new_empty(0), dw if need_w else g.new_empty(0))

    @staticmethod
    @torch.autograd.function.once_differentiable
    def backward(ctx: Any, u: Tensor | None, v: Tensor | None) -> tuple[Tensor | None, ...]:
        g, x, w = ctx.saved_tensors
        need_g, need_x, need_w = ctx.needs_input_grad[:3]
        u = u if u is not None and u.numel() else None
        v = v if v is not None and v.numel() else None
        dg = dx = dw = None
        if need_g and u is not None:
            dg = _convolve(u, w, None, ctx.geometry)
        if need_g and v is not None:
            other = _convolve(x, v, None, ctx.geometry)
            dg = other if dg is None else dg.add_(other)
        if need_x and v is not None:
            dx, _ = _differentiate(g, x, v, ctx.geometry, True, False)
        if need_w and u is not None:
            _, dw = _differentiate(g, u, w, ctx.geometry, False, True)
        return dg, dx, dw, None, None, None


def _convolve(x: Tensor, w: Tensor, b: Tensor | None, geometry: Geometry) -> Tensor:
    stride, padding, dilation, groups = geometry
    return torch.conv2d(x, w, b, stride, padding, dilation, groups)


def _differentiate(
    g: Tensor, x: Tensor, w: Tensor, geometry: Geometry, need_x: bool, need_w: bool
) -> tuple[Tensor, Tensor]:
    stride, padding, dilation, groups = geometry
    dx, dw, _ = torch.ops.aten.convolution_backward(
        g, x, w, None, stride, padding, dilation, False, [0, 0], groups, [need_x, need_w, False]
    )
    return dx, dw


class _Merged(nn.Module):
    """A convolution and the BatchNorm behind it, if any, as one; the parameters stay theirs."""

    def __init__(self, conv: nn.Conv2d, norm: Norm | None, labels: Labels | None) -> None:
        super().__init__()
        self.conv, self.norm = conv, norm
        self.labels = labels
        padding = [conv.padding] if isinstance(conv.padding, int) else conv.padding
        self.geometry: Geometry = (
            list(conv.stride),
            [int(p) for p in padding],
            list(conv.dilation),
            conv.groups,
        )

    def forward(self, x: Tensor) -> Tensor:
        """Map x (N, C, H, W) to what both modules make of it."""
        weight, bias = self.conv.weight, self.conv.bias
        if self.norm is not None:
            weight, bias = affine_of(self.norm, weight, bias)
        y: Tensor
        if (fold := self._fold_of(x)) is not None:
            y = folded_conv2d(x, orbit_means(weight, fold.labels), fold)
            return y if bias is None else y + bias[:, None, None]
        _, padding, dilation, groups = self.geometry
        x, stride = thinned(x, weight, self.conv.stride, padding)
        y = _Convolution.apply(x, weight, bias, (list(stride), padding, dilation, groups))
        return y

    def _fold_of(self, x: Tensor) -> Fold | None:
        """Return the fold of images like x, where it pays."""
        conv = self.conv
        if self.labels is None or conv.groups > 1 or x.device.type != "cpu":
            return None
        fold = geometry_of(conv, self.labels, x)
        precision = str(x.dtype).removeprefix("torch.")
        cost = training_cost(fold, conv.in_channels, conv.out_channels, len(x), precision)
        return fold if cost < WORTH else None


class _Smooth(TorchFunctionMode):
    """Computes hardsigmoid by functions whose second derivative PyTorch has."""

    def __torch_function__(
        self,
        func: Callable[..., Any],
        types: Sequence[type],
        args: Sequence[Any] = (),
        kwargs: Mapping[str, Any] | None = None,
    ) -> Any:
        """Call the function, or what equals it."""
        if func in HARDSIGMOIDS:
            return functional.relu6(args[0] + 3) / 6
        return func(*args, **(kwargs or {}))


@contextmanager
def second_derivatives() -> Iterator[None]:
    """Compute, inside the context, what PyTorch differentiates once only by what it can twice.

    These are the fused kernels of attention, and hardsigmoid.
    """
    with sdpa_kernel(SDPBackend.MATH), _Smooth():
        yield


def twice_differentiable(network: nn.Module, tied: Mapping[str, Labels] | None = None) -> nn.Module:
    """Return the network, to be differentiated twice; it shares all tensors with `network`.

    Args:
        network: in eval mode; see `layers.rewriting`.
        tied: the orbit of each tap of some convolutions, by name, where only directions that keep
            them equal matter. Derivatives by the kernels that fold are then projected to these.
    """
    labels = {network.get_submodule(name): each for name, each in (tied or {}).items()}
    return rewritten(network, lambda conv, norm: _Merged(conv, norm, labels.get(conv)))
