"""The fold: for every orbit of taps, the sum of the inputs that its taps meet.

F[p, r, i] = sum of x[s p + t, i] over the taps t of orbit r, with s the stride. Images are
(N, H, W, C), the layout in which pixels x channels is a matrix. The batch is folded in blocks, so F
never exists as a whole.
"""

from __future__ import annotations

import math
import threading
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from functools import cached_property

import torch
from torch import Tensor

from symscape.symmetry.groups import KernelSize


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

    @property
    def work(self) -> int:
        """Elements that a fold writes for each image and channel."""
        (height, width), (padded_height, padded_width) = self.out_size, self.padded
        along_rows = sum(len(columns) - 1 for columns in self.sums)
        across = sum(max(len(rows) - 1, 1) for rows in self.rows)
        return padded_height * (padded_width + along_rows * width) + across * height * width

    def window(self, start: int, axis: int) -> slice:
        """Return where a tap meets the padded input, for all outputs along an axis."""
        return slice(start, start + self.stride * (self.out_size[axis] - 1) + 1, self.stride)

    def reflected(self) -> Geometry:
        """Return the convolution that maps output gradients to input gradients, for stride 1."""
        height, width = (k - 1 - p for k, p in zip(self.kernel_size, self.padding, strict=True))
        labels = tuple(row[::-1] for row in self.labels[::-1])
        return replace(self, labels=labels, size=self.out_size, padding=(height, width))


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
        parts = torch.split(memory[: sum(sizes)], sizes)
        return [
            part[: math.prod(shape) * like.element_size()].view(like.dtype).view(shape)
            for part, shape in zip(parts, shapes, strict=True)
        ]


_scratch = _Scratch()


def fold_size(x: Tensor, geometry: Geometry) -> int:
    """Return the bytes of one image's fold."""
    return math.prod(_fold_shape(x, geometry)) * x.element_size()


def _fold_shape(x: Tensor, geometry: Geometry) -> tuple[int, ...]:
    return (*geometry.out_size, geometry.orbits, x.shape[-1])


def folds(x: Tensor, geometry: Geometry, blocks: list[slice]) -> Iterator[tuple[slice, Tensor]]:
    """Yield each block and its fold (n, H', W', d, C), which is valid until the next."""
    height, width, _, channels = folded = _fold_shape(x, geometry)
    padded_height, padded_width = geometry.padded
    images = max((block.stop - block.start for block in blocks), default=0)
    frame, out, plane, *sums = _scratch.take(
        x,
        (images, padded_height, padded_width, channels),
        (images, *folded),
        (images, height, width, channels),
        *((images, padded_height, width, channels) for _ in geometry.sums),
    )
    _clear_margin(frame, geometry.padding)
    for block in blocks:
        n = block.stop - block.start
        _frame(x[block], frame[:n], geometry.padding)
        _fold(frame[:n], out[:n], plane[:n], [each[:n] for each in sums], geometry)
        yield block, out[:n]


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
    """Write a sum to `out`; partial sums to `partial`, as short runs make `out` slow."""
    first, *rest = terms
    if not rest:
        return out.copy_(first)
    for term in rest[:-1]:
        first = torch.add(first, term, out=partial)
    return torch.add(first, rest[-1], out=out)
