"""A convolution with tied taps at d / n of the multiplications: fold, then one matrix product.

All taps of an orbit share a weight, so their inputs are summed first (`layers.stencil`). With
u (O, d, I) the tap value of each orbit,

    y[p, o] = sum_ri F[p, r, i] u[o, r, i].

Shapes: N images, I input channels, O filters, n = kh * kw taps, d orbits; images (N, H, W, C).
Nothing but x and u is kept for the gradients.
"""

from __future__ import annotations

from functools import reduce
from typing import Any

import torch
from torch import Tensor

from symscape.layers.folding.fused import fused_gradient, fused_product, fuses
from symscape.layers.folding.geometry import Geometry
from symscape.layers.folding.stencil import fold, fold_size, spread
from symscape.layers.folding.workers import on_all_cores


def folded_conv2d(x: Tensor, orbit_values: Tensor, geometry: Geometry, groups: int = 1) -> Tensor:
    """Return conv2d of x (N, I * groups, H, W) with the kernel whose orbits have these values.

    Differentiable any number of times. Under autocast it rounds to the type of a convolution.

    Args:
        x: the images; fastest where channels are last.
        orbit_values: u (O * groups, d, I).
        geometry: of the convolution.
        groups: groups of channels, computed one after the other.
    """
    kind = x.device.type
    if torch.is_autocast_enabled(kind) and x.dtype != torch.float64:
        precision = torch.get_autocast_dtype(kind)
        x, orbit_values = x.to(precision), orbit_values.to(precision)
    with torch.autocast(kind, enabled=False):
        pixels = x.permute(0, 2, 3, 1)
        y: Tensor
        if groups == 1:
            y = _Convolution.apply(pixels.contiguous(), orbit_values, geometry)
        else:
            pairs = zip(pixels.chunk(groups, -1), orbit_values.chunk(groups), strict=True)
            parts = [_Convolution.apply(own.contiguous(), u, geometry) for own, u in pairs]
            y = torch.cat(parts, -1)
    return y.permute(0, 3, 1, 2)


def evaluated_fold(
    x: Tensor, orbit_values: Tensor, bias: Tensor | None, geometry: Geometry
) -> Tensor:
    """Return what `folded_conv2d` does, plus a bias (O,), without gradients; all of one type."""
    pixels = x.permute(0, 2, 3, 1).contiguous()
    with torch.autocast(x.device.type, enabled=False):
        y = _multiply(pixels, orbit_values, geometry, bias)
    return y.permute(0, 3, 1, 2)


def _multiply(x: Tensor, u: Tensor, geometry: Geometry, bias: Tensor | None = None) -> Tensor:
    """Fold x (N, H, W, I), multiply by u."""
    if fuses(x):
        return fused_product(x, u, geometry, bias)
    y = x.new_empty(len(x), *geometry.out_size, len(u))
    matrix = u.flatten(1).T

    def work(blocks: list[slice]) -> None:
        for block in blocks:
            columns, out = fold(x[block], geometry), y[block].flatten(0, 2)
            if bias is None:
                torch.mm(columns, matrix, out=out)
            else:
                torch.addmm(bias, columns, matrix, out=out)

    on_all_cores(len(x), fold_size(x, geometry), x.device, work)
    return y


class _Convolution(torch.autograd.Function):
    """y = C(x, u), bilinear: x (N, H, W, I), u (O, d, I), y (N, H', W', O)."""

    @staticmethod
    def forward(x: Tensor, u: Tensor, geometry: Geometry) -> Tensor:
        """Fold x, multiply by u."""
        return _multiply(x, u, geometry)

    @staticmethod
    def setup_context(ctx: Any, inputs: tuple[Any, ...], output: Tensor) -> None:
        """Keep x and u."""
        ctx.save_for_backward(*inputs[:2])
        ctx.geometry = inputs[2]

    @staticmethod
    def backward(ctx: Any, *gradients: Tensor) -> tuple[Tensor | None, Tensor | None, None]:
        """Return the gradients that are asked for."""
        x, u = ctx.saved_tensors
        need_x, need_u, _ = ctx.needs_input_grad
        g = gradients[0].contiguous()
        dx, du = _Adjoints.apply(x if need_u else None, u if need_x else None, g, ctx.geometry)
        return dx, du, None


class _Adjoints(torch.autograd.Function):
    """(A(g, u), B(x, g)): C's adjoints in x and in u; None where their argument is None.

    A, B and C are bilinear and adjoint to each other, so the gradients of these are these again.
    """

    @staticmethod
    def forward(
        x: Tensor | None, u: Tensor | None, g: Tensor, geometry: Geometry
    ) -> tuple[Tensor | None, Tensor | None]:
        """Fold g once for both where pixels map one to one; else fold x, and spread g's product."""
        if geometry.stride == 1 and u is not None:
            return _adjoints_of_folded_gradient(x, u, g, geometry.reflected())
        du = None if x is None else _gradient_of_folded_input(x, g, geometry)
        return None if u is None else _spread(u, g, geometry), du

    @staticmethod
    def setup_context(ctx: Any, inputs: tuple[Any, ...], output: Any) -> None:
        """Keep all three tensors."""
        ctx.save_for_backward(*inputs[:3])
        ctx.geometry = inputs[3]
        ctx.set_materialize_grads(False)

    @staticmethod
    def backward(ctx: Any, *gradients: Tensor | None) -> tuple[Tensor | None, ...]:
        """Return A(g, vu), B(vx, g) and C(vx, u) + C(x, vu)."""
        x, u, g = ctx.saved_tensors
        vx, vu = (None if v is None else v.contiguous() for v in gradients)
        dx, du = _Adjoints.apply(vx, vu, g, ctx.geometry)
        pairs = [(a, b) for a, b in ((vx, u), (x, vu)) if a is not None and b is not None]
        dg = [_Convolution.apply(a, b, ctx.geometry) for a, b in pairs]
        return dx, du, sum(dg[1:], dg[0]) if dg else None, None


def _adjoints_of_folded_gradient(
    x: Tensor | None, u: Tensor, g: Tensor, geometry: Geometry
) -> tuple[Tensor, Tensor | None]:
    """Return (dx, du): each is one product with the fold of g by the reflected taps."""
    if fuses(g):
        du = None if x is None else fused_gradient(g, x, geometry).transpose(0, 2)
        return fused_product(g, u.transpose(0, 2), geometry), du
    filters, orbits, inputs = u.shape
    matrix = u.transpose(0, 1).reshape(orbits * filters, inputs)
    dx = g.new_empty(len(g), *geometry.out_size, inputs)

    def work(blocks: list[slice]) -> Tensor:
        du = _sum_of(matrix)
        for block in blocks:
            columns = fold(g[block], geometry)
            torch.mm(columns, matrix, out=dx[block].flatten(0, 2))
            if x is not None:
                du += columns.T @ x[block].flatten(0, 2)
        return du

    du = reduce(torch.add, on_all_cores(len(g), fold_size(g, geometry), g.device, work))
    if x is None:
        return dx, None
    return dx, du.to(g.dtype).view(orbits, filters, inputs).transpose(0, 1)


def _gradient_of_folded_input(x: Tensor, g: Tensor, geometry: Geometry) -> Tensor:
    if fuses(x):
        return fused_gradient(x, g, geometry)
    filters, inputs = g.shape[-1], x.shape[-1]

    def work(blocks: list[slice]) -> Tensor:
        du = _sum_of(g.new_empty(filters, geometry.orbits * inputs))
        for block in blocks:
            du += g[block].flatten(0, 2).T @ fold(x[block], geometry)
        return du

    du = reduce(torch.add, on_all_cores(len(x), fold_size(x, geometry), x.device, work))
    return du.to(g.dtype).view(filters, geometry.orbits, inputs)


def _spread(u: Tensor, g: Tensor, geometry: Geometry) -> Tensor:
    """Return dx (N, H, W, I): the product of g and u, added to where each tap had read."""
    matrix = u.flatten(1)
    dx = g.new_empty(len(g), *geometry.size, u.shape[-1])

    def work(blocks: list[slice]) -> None:
        for block in blocks:
            dx[block] = spread(g[block].flatten(0, 2) @ matrix, geometry)

    on_all_cores(len(g), fold_size(dx, geometry), g.device, work)
    return dx


def _sum_of(like: Tensor) -> Tensor:
    """Return zeros in the type in which gradients are summed: float32 at least."""
    return torch.zeros_like(like, dtype=torch.promote_types(like.dtype, torch.float32))
