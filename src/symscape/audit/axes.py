"""What the steps of a trace do on one axis: sizes, windows, where the middle of a map lies."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace

from symscape.audit.tracing.steps import WINDOWS, Axis, Step
from symscape.layers.sampling.blur import taps_for

SAMPLES = (*WINDOWS, "transposed", "nearest")
"""Steps that sample a map, and may do so unevenly."""
ALIKE = 1e-9
"""Pixels up to which middles coincide."""


@dataclass(frozen=True)
class State:
    """An axis of a map."""

    size: int
    """Without the pads that are pending."""
    spacing: float = 1.0
    """Pixels of the image from one cell to the next."""
    drift: float = 0.0
    """Where its middle lies, in pixels of the image from the image's middle."""
    before: int = 0
    after: int = 0
    """Pads that no window has read yet."""

    def behind(self, size: int, offset: int, spacing: float) -> State:
        """Return the axis of a map that samples this one."""
        return State(size, spacing, self.drift + self.spacing * offset / 2)


@dataclass(frozen=True)
class Met:
    """How an axis was sampled."""

    size: int
    window: Axis
    """With all pads."""
    unread: int
    offset: int

    @property
    def idle(self) -> bool:
        """Whether every cell is read by itself, once."""
        return self.window == Axis(1) and self.offset == 0


@dataclass(frozen=True)
class Line:
    """What one step does on an axis; no state where it cannot be followed."""

    state: State | None
    met: Met | None = None
    apart: float = 0.0
    """Pixels between the middles of maps that meet."""


def walk(steps: Sequence[Step], axis: int, size: int) -> list[Line]:
    """Return what each step does on an axis (0: rows) of an image of this size."""
    lines: list[Line] = []
    for step in steps:
        states = [state for i in step.reads if (state := lines[i].state) is not None]
        if step.op == "input":
            lines.append(Line(State(size)))
        elif len(states) < len(step.reads) or step.op == "unknown":
            lines.append(Line(None))
        else:
            lines.append(_RULES[step.op](step, axis, states))
    return lines


def is_even(steps: Sequence[Step], axis: int, size: int) -> bool:
    """Whether all that can be followed is sampled evenly on an axis of this size."""
    return all(
        (line.met is None or line.met.offset == 0) and abs(line.apart) <= ALIKE
        for line in walk(steps, axis, size)
    )


def _window(step: Step, axis: int, states: Sequence[State]) -> Line:
    assert step.axes is not None
    (state,), window = states, step.axes[axis]
    if step.automatic:
        taps = taps_for(state.size)
        window = replace(window, kernel=taps, before=(taps - 1) // 2, after=taps // 2)
    own = window
    before, after = state.before + own.before, state.after + own.after
    window = replace(own, before=before, after=after)
    outputs = _outputs(state.size, window, step.ceil)
    if outputs < 1:  # An image of this size is too small.
        return Line(None, Met(state.size, window, 0, -1))
    rows = state.size + before + after
    unread = rows - _span(window) - window.stride * (outputs - 1)
    offset = after - before - unread
    if step.op == "max pool" and not (state.before or state.after):
        offset = 0 if _mirrored(state.size, window, outputs) else offset
    behind = state.behind(outputs, offset, state.spacing * window.stride)
    return Line(behind, Met(state.size, window, unread, offset))


def _span(window: Axis) -> int:
    return window.dilation * (window.kernel - 1) + 1


def _outputs(size: int, window: Axis, ceil: bool) -> int:
    """Return how many windows PyTorch counts."""
    free = size + window.before + window.after - _span(window)
    count = (-(-free // window.stride) if ceil else free // window.stride) + 1
    # A window must begin inside the map or the pads before it.
    if ceil and (count - 1) * window.stride >= size + window.before:
        count -= 1
    return count


def _mirrored(size: int, window: Axis, outputs: int) -> bool:
    """Whether windows, clipped to the map, are the same seen from its other end."""
    cells = []
    for i in range(outputs):
        first = i * window.stride - window.before
        taps = range(first, first + _span(window), window.dilation)
        cells.append([cell for cell in taps if 0 <= cell < size])
    return cells == [sorted(size - 1 - cell for cell in each) for each in reversed(cells)]


def _transposed(step: Step, axis: int, states: Sequence[State]) -> Line:
    assert step.axes is not None
    window, line = step.axes[axis], _settled(states[0])
    assert line.state is not None
    state, extra = line.state, window.output_padding
    spacing = state.spacing / window.stride
    size = (state.size - 1) * window.stride - window.before - window.after + _span(window) + extra
    behind = State(size, spacing, state.drift + spacing * extra / 2)
    return Line(behind, Met(state.size, window, 0, extra))


def _pad(step: Step, axis: int, states: Sequence[State]) -> Line:
    assert step.axes is not None
    (state,), pad = states, step.axes[axis]
    return Line(replace(state, before=state.before + pad.before, after=state.after + pad.after))


def _settled(state: State) -> Line:
    """Return a map whose pads no window reads: they move its middle."""
    if not (state.before or state.after):
        return Line(state, Met(state.size, Axis(1), 0, 0))
    offset = state.after - state.before
    size = state.size + state.before + state.after
    window = Axis(1, before=state.before, after=state.after)
    behind = state.behind(size, offset, state.spacing)
    # Pads alike on both sides are no site.
    return Line(behind, Met(state.size, window if offset else Axis(1), 0, offset))


def _resized(step: Step, axis: int, states: Sequence[State]) -> Line:
    """Follow a map to a given size, about the same middle."""
    line, size = _settled(states[0]), step.size[axis]
    state = line.state
    assert state is not None
    corners = step.corners and size > 1
    scale = (state.size - 1) / (size - 1) if corners else state.size / size
    return replace(line, state=replace(state, size=size, spacing=state.spacing * scale))


def _nearest(step: Step, axis: int, states: Sequence[State]) -> Line:
    """Follow a map whose nearest cells are taken: even where each is taken equally often."""
    state, size = states[0], step.size[axis]
    taken = [i * state.size // size for i in range(size)]
    even = taken == [state.size - 1 - i for i in reversed(taken)]
    offset = 0 if even else min(taken[0] + taken[-1] - (state.size - 1), -1)
    behind = state.behind(size, offset, state.spacing * state.size / size)
    return Line(behind, Met(state.size, Axis(1), 0, offset))


def _merge(step: Step, axis: int, states: Sequence[State]) -> Line:
    """Follow maps that meet; one of a single cell has no middle to compare."""
    lines = [_settled(state) for state in states]
    maps = [line for line in lines if line.state is not None and line.state.size > 1]
    first = (maps or lines)[0]
    drifts = [line.state.drift for line in maps if line.state is not None]
    apart = max((d - drifts[0] for d in drifts), key=abs, default=0.0)
    return replace(first, apart=apart)


def _head(step: Step, axis: int, states: Sequence[State]) -> Line:
    return _settled(states[0])


_RULES: dict[str, Callable[[Step, int, Sequence[State]], Line]] = {
    **dict.fromkeys(WINDOWS, _window),
    "transposed": _transposed,
    "pad": _pad,
    "adaptive pool": _resized,
    "resize": _resized,
    "nearest": _nearest,
    "merge": _merge,
    "head": _head,
}
