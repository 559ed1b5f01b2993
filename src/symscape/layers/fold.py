"""A convolution with tied taps at d / n of the multiplications: fold, then one matrix product.

All taps of an orbit share a weight, so their shifted inputs are summed first. With u (O, d, I) the
tap value of each orbit and s the stride,

    y[p, o] = sum_ri F[p, r, i] u[o, r, i],    F[p, r, i] = sum of x[s p + t, i] over t in orbit r.

Shapes: N images, I input channels, O filters, n = kh * kw taps, d orbits. Images are (N, H, W, C)
here, the layout in which pixels x channels is a matrix. The batch is folded in blocks, so F never
exists as a whole, and nothing but x and u is kept for the gradients.
"""

from __future__ import annotations

import math
import threading
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from functools import cached_property
from typing import Any

import torch
from torch import Tensor

from symscape.symmetry.groups import KernelSize

# Bytes of a block's fold: it is still in the cache when it is multiplied.
BLOCK = 2 * 2**20


@dataclass(frozen=True)
class Geometry:
    """A convolution with tied taps, of images of one size."""

    labels: tuple[tuple[int, ...], ...]
    """The orbit of each tap: kh rows of kw."""
    size: KernelSize
    """Height and width of the input."""
    stride: int = 1
    padding: KernelSize = (0, 0)

    @property
    def kernel_size(self) -> KernelSize:
        """Height and width of the kernel."""
        return len(self.labels), len(self.labels[0])

    @property
    def orbits(self) -> int:
        """The number of orbits, d."""
        return 1 + max(max(row) for row in self.labels)

    @property
    def padded(self) -> KernelSize:
        """Height and width of the padded input."""
        return self.size[0] + 2 * self.padding[0], self.size[1] + 2 * self.padding[1]

    @property
    def out_size(self) -> KernelSize:
        """Height and width of the output."""
        height, width = (
            (n - k) // self.stride + 1 for n, k in zip(self.padded, self.kernel_size, strict=True)
        )
        return height, width

    @cached_property
    def rows(self) -> list[list[tuple[int, tuple[int, ...]]]]:
        """For each orbit the pairs (row, its columns in this row)."""
        rows: list[list[tuple[int, tuple[int, ...]]]] = [[] for _ in range(self.orbits)]
        for row, labels in enumerate(self.labels):
            for orbit in sorted(set(labels)):
                columns = tuple(i for i, label in enumerate(labels) if label == orbit)
                rows[orbit].append((row, columns))
        return rows

    @cached_property
    def sums(self) -> list[tuple[int, ...]]:
        """The distinct sets of several columns, each of which is summed once for all rows.

        With them the fold of a 3x3 kernel under rot90 takes 6 passes over the images, not 10.
        """
        found = {columns for rows in self.rows for _, columns in rows if len(columns) > 1}
        return sorted(found)

    def window(self, start: int, axis: int) -> slice:
        """Return where a tap meets the padded input, for all outputs along an axis."""
        return slice(start, start + self.stride * (self.out_size[axis] - 1) + 1, self.stride)

    def reflected(self) -> Geometry:
        """Return the convolution that maps output gradients to input gradients, for stride 1."""
        height, width = (k - 1 - p for k, p in zip(self.kernel_size, self.padding, strict=True))
        labels = tuple(row[::-1] for row in self.labels[::-1])
        return replace(self, labels=labels, size=self.out_size, padding=(height, width))


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
        pairs = zip(x.permute(0, 2, 3, 1).chunk(groups, -1), orbit_values.chunk(groups), strict=True)
        parts = [_Convolution.apply(pixels.contiguous(), u, geometry) for pixels, u in pairs]
        y: Tensor = parts[0] if groups == 1 else torch.cat(parts, -1)
    return y.permute(0, 3, 1, 2)


class _Convolution(torch.autograd.Function):
    """y = C(x, u), bilinear: x (N, H, W, I), u (O, d, I), y (N, H', W', O)."""

    @staticmethod
    def forward(x: Tensor, u: Tensor, geometry: Geometry) -> Tensor:
        """Fold x, multiply by u."""
        y = x.new_empty(len(x), *geometry.out_size, len(u))
        matrix = u.flatten(1).T
        for part, folded in _blocks(x, geometry):
            _multiply(folded.flatten(3), matrix, y[part])
        return y

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
        return dx, du, sum(dg[1:], dg[0]), None


def _adjoints_of_folded_gradient(
    x: Tensor | None, u: Tensor, g: Tensor, geometry: Geometry
) -> tuple[Tensor, Tensor | None]:
    """Return (dx, du): each is one product with the fold of g by the reflected taps."""
    filters, orbits, inputs = u.shape
    matrix = u.transpose(0, 1).reshape(orbits * filters, inputs)
    dx = g.new_empty(len(g), *geometry.out_size, inputs)
    du = None if x is None else _zeros(matrix)
    for part, folded in _blocks(g, geometry):
        columns = folded.flatten(3)
        _multiply(columns, matrix, dx[part])
        if x is not None and du is not None:
            du += columns.flatten(0, 2).T @ x[part].flatten(0, 2)
    return dx, None if du is None else du.to(g.dtype).unflatten(0, (orbits, filters)).transpose(0, 1)


def _gradient_of_folded_input(x: Tensor, g: Tensor, geometry: Geometry) -> Tensor:
    du = _zeros(g.new_empty(g.shape[-1], geometry.orbits * x.shape[-1]))
    for part, folded in _blocks(x, geometry):
        du += g[part].flatten(0, 2).T @ folded.flatten(3).flatten(0, 2)
    return du.to(g.dtype).unflatten(1, (geometry.orbits, -1))


def _spread(u: Tensor, g: Tensor, geometry: Geometry) -> Tensor:
    """Return dx (N, H, W, I): the product of g and u, added to where each tap had read."""
    _, orbits, inputs = u.shape
    (top, left), (height, width) = geometry.padding, geometry.size
    dx = g.new_empty(len(g), height, width, inputs)
    pixels = geometry.out_size[0] * geometry.out_size[1]
    for part in _parts(len(g), pixels * orbits * inputs * g.element_size()):
        product = (g[part] @ u.flatten(1)).unflatten(-1, (orbits, inputs))
        padded = _zeros(g.new_empty(len(product), *geometry.padded, inputs))
        for row, labels in enumerate(geometry.labels):
            for column, orbit in enumerate(labels):
                at = (slice(None), geometry.window(row, 0), geometry.window(column, 1))
                padded[at] += product[..., orbit, :]
        dx[part] = padded[:, top : top + height, left : left + width]
    return dx


class _Scratch(threading.local):
    """Memory of a thread that folds are made in: fresh memory costs more than sums in it."""

    def __init__(self) -> None:
        self.memory: dict[torch.device, Tensor] = {}

    def take(self, like: Tensor, *shapes: tuple[int, ...]) -> list[Tensor]:
        """Return uninitialised tensors, all of them valid until the next call."""
        sizes = [-(-math.prod(shape) * like.element_size() // 64) * 64 for shape in shapes]
        memory = self.memory.get(like.device)
        if memory is None or len(memory) < sum(sizes):
            # An ordinary tensor, also where inference mode asks first.
            with torch.inference_mode(False):
                memory = torch.empty(sum(sizes), dtype=torch.uint8, device=like.device)
            self.memory[like.device] = memory
        parts = memory[: sum(sizes)].split(sizes)
        return [
            part[: math.prod(shape) * like.element_size()].view(like.dtype).view(shape)
            for part, shape in zip(parts, shapes, strict=True)
        ]


_scratch = _Scratch()


def _blocks(x: Tensor, geometry: Geometry) -> Iterator[tuple[slice, Tensor]]:
    """Yield parts of the batch and their folds (n, H', W', d, C), each valid until the next."""
    channels = x.shape[-1]
    (height, width), (padded_height, padded_width) = geometry.out_size, geometry.padded
    folded = (height, width, geometry.orbits, channels)
    parts = list(_parts(len(x), math.prod(folded) * x.element_size()))
    if not parts:
        return
    images = max(part.stop - part.start for part in parts)
    frame, out, plane, *sums = _scratch.take(
        x,
        (images, padded_height, padded_width, channels),
        (images, *folded),
        (images, height, width, channels),
        *((images, padded_height, width, channels) for _ in geometry.sums),
    )
    _clear_margin(frame, geometry.padding)
    for part in parts:
        n = part.stop - part.start
        _frame(x[part], frame[:n], geometry.padding)
        _fold(frame[:n], out[:n], plane[:n], [each[:n] for each in sums], geometry)
        yield part, out[:n]


def _parts(count: int, size: int) -> Iterator[slice]:
    """Yield parts of `count` images of `size` bytes, about a block each and about equal."""
    blocks = min(count, -(-count * size // BLOCK))
    for i in range(blocks):
        yield slice(count * i // blocks, count * (i + 1) // blocks)


def _clear_margin(frame: Tensor, padding: KernelSize) -> None:
    for axis, pad in enumerate(padding, start=1):
        if pad > 0:
            frame.narrow(axis, 0, pad).zero_()
            frame.narrow(axis, frame.shape[axis] - pad, pad).zero_()


def _frame(x: Tensor, frame: Tensor, padding: KernelSize) -> None:
    """Copy x inside its margin of zeros; where the padding is negative, the part of x within."""
    for axis, pad in enumerate(padding, start=1):
        frame = frame.narrow(axis, max(pad, 0), frame.shape[axis] - 2 * max(pad, 0))
        x = x.narrow(axis, max(-pad, 0), x.shape[axis] - 2 * max(-pad, 0))
    frame.copy_(x)


def _fold(
    frame: Tensor, out: Tensor, plane: Tensor, sums: Sequence[Tensor], geometry: Geometry
) -> None:
    """Sum the taps of each orbit: along rows first, each set of columns once."""
    along_rows = {}
    for columns, total in zip(geometry.sums, sums, strict=True):
        windows = [frame[:, :, geometry.window(column, 1)] for column in columns]
        along_rows[columns] = _sum(windows, total, total)
    for orbit, rows in enumerate(geometry.rows):
        terms = []
        for row, columns in rows:
            total = along_rows.get(columns, frame[:, :, geometry.window(columns[0], 1)])
            terms.append(total[:, geometry.window(row, 0)])
        _sum(terms, plane, out[..., orbit, :])


def _sum(terms: Sequence[Tensor], partial: Tensor, out: Tensor) -> Tensor:
    """Write a sum to `out`; partial sums to `partial`, as `out` is slow where its runs are short."""
    first, *rest = terms
    if not rest:
        return out.copy_(first)
    for term in rest[:-1]:
        first = torch.add(first, term, out=partial)
    return torch.add(first, rest[-1], out=out)


def _zeros(like: Tensor) -> Tensor:
    """Return zeros in the type in which gradients are summed: float32 at least."""
    return torch.zeros_like(like, dtype=torch.promote_types(like.dtype, torch.float32))


def _multiply(pixels: Tensor, matrix: Tensor, out: Tensor) -> None:
    """Write pixels (n, H, W, K) times a matrix (K, O) to out (n, H, W, O)."""
    torch.mm(pixels.flatten(0, 2), matrix, out=out.flatten(0, 2))
