"""How evenly a network samples its image: padding that is consumed on one side alone.

On an axis of h rows, padded by p0 and p1, h' windows of k taps with stride s and dilation d leave

    u = h + p0 + p1 - d (k - 1) - 1 - s (h' - 1)

rows that none of them reads, all at the end (u < 0: windows hang over it). The grid of windows then
lies p1 - p0 - u = `offset` half rows from the middle; it is even iff that is 0, and then the layer
commutes with flips. `drift` is where the middle of a map lies, in pixels of the image: negative is
up, or left.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass

from symscape.audit.axes import ALIKE, SAMPLES, Line, State, is_even, walk
from symscape.audit.tracing.steps import Pair, Step, Trace
from symscape.errors import SymscapeError

NEAR = 64
"""Pixels up to which a balanced size is looked for."""


@dataclass(frozen=True)
class Site:
    """A place where a map is sampled; pairs are rows and columns."""

    layer: str
    op: str
    size: Pair
    """Of its input, without pads."""
    kernel: Pair
    stride: Pair
    pads: tuple[Pair, Pair]
    """Before and after, of rows and of columns."""
    unread: Pair
    """u: rows and columns that no window reads; negative: windows hang over the end."""
    offset: Pair
    """In half cells; 0: even, negative: towards the first."""
    drift: tuple[float, float]
    """Of the map behind it, in pixels of the image."""

    @property
    def even(self) -> bool:
        """Whether it commutes with flips."""
        return self.offset == (0, 0)

    @property
    def strided(self) -> bool:
        """Whether it leaves pixels out."""
        return max(self.stride) > 1


@dataclass(frozen=True)
class Misaligned:
    """A sum (or the like) of maps whose middles lie apart."""

    layer: str
    apart: tuple[float, float]
    """In pixels of the image."""


@dataclass(frozen=True)
class Balance:
    """How evenly a network samples images of one size."""

    input_size: Pair
    sites: list[Site]
    misaligned: list[Misaligned]
    drift: tuple[float, float]
    """Of the last map that could be followed."""
    last_size: Pair
    head: str
    unknown: str

    @property
    def strided(self) -> list[Site]:
        """The sites that leave pixels out."""
        return [site for site in self.sites if site.strided]

    @property
    def uneven(self) -> list[Site]:
        """The sites that do not commute with flips."""
        return [site for site in self.sites if not site.even]

    @property
    def balanced(self) -> bool:
        """Whether all that could be followed is even."""
        return not self.uneven and not self.misaligned


def balance(trace: Trace, size: Pair | None = None) -> Balance:
    """Return how evenly a network samples, by a trace of it; by arithmetic alone.

    Args:
        trace: of a pass.
        size: other rows and columns than those of the pass; only where it is not `dynamic`.
    """
    size = size or trace.input_size
    lines = [walk(trace.steps, axis, size[axis]) for axis in (0, 1)]
    sites, misaligned = [], []
    for step, rows, columns in zip(trace.steps, *lines, strict=True):
        if (site := _site(step, rows, columns)) is not None:
            sites.append(site)
        if max(abs(rows.apart), abs(columns.apart)) > ALIKE:
            misaligned.append(Misaligned(step.layer, (rows.apart, columns.apart)))
    last = _last(trace.steps, lines)
    drift = tuple(0.0 if s is None else s.drift for s in last)
    cells = tuple(0 if s is None else s.size for s in last)
    return Balance(
        size,
        sites,
        misaligned,
        (drift[0], drift[1]),
        (cells[0], cells[1]),
        trace.head,
        trace.unknown,
    )


def _last(steps: Sequence[Step], lines: Sequence[Sequence[Line]]) -> list[State | None]:
    """Return the last map before the head, or the last that could be followed."""
    heads = [step.reads[0] for step in steps if step.op == "head"]
    known = [i for i, line in enumerate(lines[0]) if line.state is not None]
    at = heads[-1] if heads and lines[0][heads[-1]].state is not None else known[-1]
    return [line[at].state for line in lines]


def _site(step: Step, rows: Line, columns: Line) -> Site | None:
    if rows.met is None or columns.met is None or rows.state is None or columns.state is None:
        return None
    y, x = rows.met, columns.met
    if y.idle and x.idle:
        return None
    return Site(
        step.layer,
        step.op if step.op in SAMPLES else "pad",
        (y.size, x.size),
        (y.window.kernel, x.window.kernel),
        (y.window.stride, x.window.stride),
        ((y.window.before, y.window.after), (x.window.before, x.window.after)),
        (y.unread, x.unread),
        (y.offset, x.offset),
        (rows.state.drift, columns.state.drift),
    )


Near = tuple[int | None, int | None]
"""The nearest numbers of rows, or columns, below and above; None where there is none."""


def balanced_sizes(trace: Trace, retrace: Callable[[Pair], Trace]) -> tuple[Near, Near]:
    """Return the nearest balanced numbers of rows, and of columns, below and above; up to NEAR.

    The axes are independent, so one pass tries a number of each. Where the network does not adapt
    to the size by itself, one trace says what any size would do, and a pass at the sizes that are
    found only confirms it.

    Args:
        trace: at the size in question.
        retrace: returns a trace at another size.
    """
    found = []
    for sign in (-1, 1):
        sizes = None if trace.dynamic else _foretold(trace, sign)
        if sizes is None or not _computes(retrace, sizes, trace.input_size):
            sizes = _searched(trace.input_size, sign, retrace)
        found.append(sizes)
    (rows_below, columns_below), (rows_above, columns_above) = found
    return (rows_below, rows_above), (columns_below, columns_above)


def _computes(retrace: Callable[[Pair], Trace], sizes: Near, own: Pair) -> bool:
    """Whether the network takes these sizes, and is balanced at them as foretold."""
    size = tuple(n if n is not None else m for n, m in zip(sizes, own, strict=True))
    try:
        steps = retrace((size[0], size[1])).steps
    except SymscapeError:
        return False
    return all(n is None or is_even(steps, axis, n) for axis, n in enumerate(sizes))


def _foretold(trace: Trace, sign: int) -> Near:
    """Return the nearest balanced sizes by arithmetic."""
    near = [
        next((n for n in _candidates(size, sign) if is_even(trace.steps, axis, n)), None)
        for axis, size in enumerate(trace.input_size)
    ]
    return near[0], near[1]


def _searched(
    size: Pair, sign: int, retrace: Callable[[Pair], Trace]
) -> tuple[int | None, int | None]:
    """Return the nearest balanced sizes by passes."""
    found: list[int | None] = [None, None]
    for tried in zip(*(_candidates(n, sign) for n in size), strict=False):
        try:
            steps = retrace((tried[0], tried[1])).steps
        except SymscapeError:
            continue  # Too small for the network, or for a head that takes one size alone.
        for axis in (0, 1):
            if found[axis] is None and is_even(steps, axis, tried[axis]):
                found[axis] = tried[axis]
        if None not in found:
            break
    return found[0], found[1]


def _candidates(size: int, sign: int) -> Iterator[int]:
    return (n for k in range(1, NEAR + 1) if (n := size + sign * k) > 0)
