"""The fold: for every orbit of taps, the sum of the inputs that its taps meet.

F[p, r, i] = sum of x[s p + t, i] over the taps t of orbit r, with s the stride. Images are
(N, H, W, C), the layout in which pixels x channels is a matrix. The batch is folded in blocks, so F
never exists as a whole. Outside the image taps meet zeros, which are neither stored nor added: an
output is a sum of the taps that are inside.
"""

from __future__ import annotations

import math
import threading
from collections.abc import Iterator, Sequence
from functools import lru_cache
from itertools import pairwise
from typing import NamedTuple

import torch
from torch import Tensor

from symscape.layers.geometry import Geometry


class _Part(NamedTuple):
    """A rectangle of outputs, and what is summed there."""

    target: tuple[slice, slice]
    terms: list[tuple[int, tuple[slice, slice]]]
    """Pairs (source, where): source 0 is the image, source i > 0 the sums of `sums[i - 1]`."""


class _Schedule(NamedTuple):
    """The sums of a fold, in their order."""

    along_rows: list[list[_Part]]
    orbits: list[list[_Part]]


@lru_cache(maxsize=256)
def _schedule(geometry: Geometry) -> _Schedule:
    height, width = geometry.size[0], geometry.out_size[1]
    along_rows = []
    for columns in geometry.sums:
        parts = []
        for outputs, inside in _pieces([geometry.reach(c, 1) for c in columns], width):
            met = [geometry.met(columns[i], outputs, 1) for i in inside]
            terms = [(0, (slice(0, height), where)) for where in met]
            parts.append(_Part((slice(0, height), _slice(outputs)), terms))
        along_rows.append(parts)
    return _Schedule(along_rows, [_orbit(geometry, rows) for rows in geometry.rows])


def _orbit(geometry: Geometry, rows: list[tuple[int, tuple[int, ...]]]) -> list[_Part]:
    """Return the parts of an orbit's sum over rows."""
    height, width = geometry.out_size
    reaches = [geometry.reach(row, 0) for row, _ in rows]
    # What is summed along rows is there for every column of outputs.
    across = [
        range(width) if len(columns) > 1 else geometry.reach(columns[0], 1) for _, columns in rows
    ]
    parts = []
    for tall, rows_inside in _pieces(reaches, height):
        for wide, inside in _pieces([across[i] for i in rows_inside], width):
            terms = []
            for row, columns in (rows[rows_inside[i]] for i in inside):
                if len(columns) > 1:
                    source, where = 1 + geometry.sums.index(columns), _slice(wide)
                else:
                    source, where = 0, geometry.met(columns[0], wide, 1)
                terms.append((source, (geometry.met(row, tall, 0), where)))
            parts.append(_Part((_slice(tall), _slice(wide)), terms))
    return parts


def _pieces(reaches: list[range], length: int) -> list[tuple[range, list[int]]]:
    """Cut an axis into pieces, each with the indices of the reaches that cover it."""
    ends = {0, length} | {end for r in reaches if r for end in (r.start, r.stop)}
    pieces = [range(*pair) for pair in pairwise(sorted(ends))]
    return [(piece, [i for i, r in enumerate(reaches) if piece[0] in r]) for piece in pieces]


def _slice(outputs: range) -> slice:
    return slice(outputs.start, outputs.stop)


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
    counts = {block.stop - block.start for block in blocks}
    images = max(counts, default=0)
    out, plane, *sums = _scratch.take(
        x,
        (images, *folded),
        (images, height, width, channels),
        *((images, geometry.size[0], width, channels) for _ in geometry.sums),
    )
    schedule = _schedule(geometry)
    # Cutting out windows takes Python as long as small sums take: once for all blocks of a size.
    steps = {n: _steps(schedule, x, out[:n], plane[:n], [s[:n] for s in sums]) for n in counts}
    for block in blocks:
        count = block.stop - block.start
        for target, terms in steps[count]:
            met = [t.narrow(0, block.start, count) if of_all else t for t, of_all in terms]
            if len(met) == 2:
                torch.add(*met, out=target)
            elif met:
                target.copy_(met[0])
            else:
                target.zero_()
        yield block, out[:count]


class _Step(NamedTuple):
    """What is written, and the one or two terms whose sum it is; none for zeros."""

    target: Tensor
    terms: list[tuple[Tensor, bool]]
    """Windows, and whether each is one of all images rather than of a block's."""


def _steps(
    schedule: _Schedule, x: Tensor, out: Tensor, plane: Tensor, sums: Sequence[Tensor]
) -> list[_Step]:
    """Return the sums of the taps of each orbit: along rows first, each set of columns once."""
    steps: list[_Step] = []
    for total, parts in zip(sums, schedule.along_rows, strict=True):
        steps += _sum(parts, [x], total, total)
    for orbit, parts in enumerate(schedule.orbits):
        steps += _sum(parts, [x, *sums], plane, out[..., orbit, :])
    return steps


def _sum(
    parts: list[_Part], sources: list[Tensor], partial: Tensor, out: Tensor
) -> Iterator[_Step]:
    """Yield sums into `out`; partial sums go to `partial`, as short runs make `out` slow."""
    for (tall, wide), places in parts:
        target, middle = out[:, tall, wide], partial[:, tall, wide]
        windows = [(sources[i][:, rows, columns], i == 0) for i, (rows, columns) in places]
        for done, window in enumerate(windows[1:-1], start=1):
            first = windows[0] if done == 1 else (middle, False)
            yield _Step(middle, [first, window])
        if len(windows) > 2:
            windows = [(middle, False), windows[-1]]
        yield _Step(target, windows)
