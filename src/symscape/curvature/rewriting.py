"""The same network, rewritten so that differentiating it twice is cheap.

Two changes, neither of which changes the function or the parameters:
- In eval mode BatchNorm is an affine map a channel, so it goes into the kernel and bias of the
  convolution before it. PyTorch differentiates its own BatchNorm twice in some twenty passes over
  the activations.
- The second derivative of a convolution is made of ordinary convolutions, input gradients and
  weight gradients. PyTorch makes them of convolutions over transposed tensors, for which it has no
  fast kernels.
"""

from __future__ import annotations

from typing import Any, TypeGuard

import torch
from torch import Tensor, fx, nn

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


class _Folded(nn.Module):
    """A convolution and the BatchNorm behind it, if any, as one; the parameters stay theirs."""

    def __init__(self, conv: nn.Conv2d, norm: nn.BatchNorm2d | None) -> None:
        super().__init__()
        self.conv, self.norm = conv, norm
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
            mean, variance = self.norm.running_mean, self.norm.running_var
            assert mean is not None and variance is not None  # _foldable saw to it
            scale = (variance + self.norm.eps).rsqrt()
            scale = scale if self.norm.weight is None else scale * self.norm.weight
            weight = weight * scale.view(-1, 1, 1, 1)
            bias = scale * ((bias if bias is not None else 0.0) - mean)
            bias = bias if self.norm.bias is None else bias + self.norm.bias
        y: Tensor = _Convolution.apply(x, weight, bias, self.geometry)
        return y


def rewritten(network: nn.Module) -> nn.Module:
    """Return the network, to be differentiated twice; it shares all tensors with `network`.

    Only for networks in eval mode. A network that torch.fx cannot trace (control flow that depends
    on values) is returned as it is: the same numbers, more slowly.
    """
    try:
        traced = fx.symbolic_trace(network)
    except (TypeError, ValueError, RuntimeError):
        return network
    for node in list(traced.graph.nodes):
        conv = _module(traced, node)
        if not _plain(conv):
            continue
        users = list(node.users)
        norm = _module(traced, users[0]) if len(users) == 1 else None
        norm = norm if _foldable(norm) else None
        name = f"_folded_{node.name}"
        traced.add_submodule(name, _Folded(conv, norm))
        with traced.graph.inserting_before(node):
            new = traced.graph.call_module(name, node.args, node.kwargs)
        last = node if norm is None else users[0]
        last.replace_all_uses_with(new)
        traced.graph.erase_node(last)
        if last is not node:
            traced.graph.erase_node(node)
    traced.recompile()
    return traced


def _module(traced: fx.GraphModule, node: fx.Node) -> nn.Module | None:
    return traced.get_submodule(str(node.target)) if node.op == "call_module" else None


def _plain(module: nn.Module | None) -> TypeGuard[nn.Conv2d]:
    return (
        type(module) is nn.Conv2d
        and module.padding_mode == "zeros"
        and not isinstance(module.padding, str)
    )


def _foldable(module: nn.Module | None) -> TypeGuard[nn.BatchNorm2d]:
    return (
        type(module) is nn.BatchNorm2d
        and module.running_mean is not None
        and module.running_var is not None
        and not module.training
    )
