"""Views, joins, pads and indices: the operation itself runs on the labels."""

from __future__ import annotations

from functools import partial

import torch
from torch import Tensor

from symscape.models.permutations.walk.call import Call, Rule, entering
from symscape.models.permutations.walk.labels import Value, constant
from symscape.models.permutations.walk.primitives import Walk

MOVES: dict[str, Rule] = {}
rule = entering(MOVES)

VIEWS = (
    "view",
    "reshape",
    "_unsafe_view",
    "permute",
    "transpose",
    "t",
    "expand",
    "squeeze",
    "unsqueeze",
    "slice",
    "select",
    "flatten",
    "unflatten",
    "narrow",
    "movedim",
    "roll",
    "flip",
    "repeat",
    "repeat_interleave",
    "pixel_shuffle",
    "pixel_unshuffle",
    "channel_shuffle",
    "numpy_T",
    "mT",
    "swapaxes",
    "rot90",
)


@rule(*VIEWS)
def moved(walk: Walk, call: Call) -> Value:
    """The operation runs on the labels."""
    value = call.first()
    if len(call.values()) > 1:
        return walk.hold(call.values(), call.shape, call.name)
    if call.name in ("view", "_unsafe_view", "reshape", "flatten", "unflatten"):
        return walk.along(value, lambda t: t.reshape(call.shape))
    return walk.along(value, call.on)


@rule("split", "split_with_sizes", "chunk", "unbind", "tensor_split")
def parted(walk: Walk, call: Call) -> list[Value]:
    """Several views."""

    def part(i: int, t: Tensor) -> Tensor:
        each: Tensor = call.on(t)[i]
        return each

    return [walk.along(call.first(), partial(part, i)) for i in range(len(call.shapes))]


@rule("cat", "concat", "concatenate")
def joined(walk: Walk, call: Call) -> Value:
    """Values side by side; empty ones are nothing."""
    values = [v for v in call["tensors"] if v.shape != (0,)]
    return walk.join(values, call["dim"] % len(call.shape))


@rule("stack")
def stacked(walk: Walk, call: Call) -> Value:
    """Values side by side along a new axis."""
    axis = call["dim"] % len(call.shape)
    values = [walk.along(v, lambda t: t.unsqueeze(axis)) for v in call["tensors"]]
    return walk.join(values, axis)


@rule("slice_scatter", "select_scatter")
def scattered(walk: Walk, call: Call) -> Value:
    """A value, and another in place of a part of it: what is before, the other, what is behind."""
    value, source = call["self"], call["src"]
    axis = call.axis(value)
    length = value.shape[axis]
    if call.name == "select_scatter":
        start = call["index"] % length
        end, step = start + 1, 1
        source = walk.along(source, lambda t: t.unsqueeze(axis))
    else:
        start, end, _ = slice(call["start"], call["end"]).indices(length)
        step = call["step"]
    if step != 1:
        return walk.hold(call.values(), call.shape, call.name)
    parts = [
        walk.along(value, lambda t: t.narrow(axis, 0, start)),
        source,
        walk.along(value, lambda t: t.narrow(axis, end, length - end)),
    ]
    return walk.join([part for part in parts if part.shape[axis]], axis, call.name)


@rule("pad", "constant_pad_nd")
def padded(walk: Walk, call: Call) -> Value:
    """New pixels, or new channels."""
    value, pad = call.first(), list(call["pad"])
    count = len(value.shape)
    sides = {count - 1 - i: (pad[2 * i], pad[2 * i + 1]) for i in range(len(pad) // 2)}
    mode = call.get("mode", "constant")
    for axis, (before, behind) in sides.items():
        if not before and not behind:
            continue
        if any(axis in each.axes for each in value.labels) and mode != "constant":
            return walk.hold([value], call.shape, call.name)
        value = _lengthened(walk, value, axis, before, behind)
    return value


def _lengthened(walk: Walk, value: Value, axis: int, before: int, behind: int) -> Value:
    """Pad an axis, or cut it where numbers are negative."""
    cut = [max(0, -before), max(0, -behind)]
    if any(cut):
        left = value.shape[axis] - sum(cut)
        value = walk.along(value, lambda t: t.narrow(axis, cut[0], left))
    parts = [value]
    for length, at in ((before, 0), (behind, 1)):
        if length > 0:
            sizes = [length if a == axis else 1 for a in range(len(value.shape))]
            shape = [length if a == axis else n for a, n in enumerate(value.shape)]
            part = constant(torch.zeros(sizes).expand(shape))
            parts.insert(0 if at == 0 else len(parts), part)
    return walk.join(parts, axis, "pad") if len(parts) > 1 else value


@rule("index", "index_select", "embedding", "take_along_dim")
def indexed(walk: Walk, call: Call) -> Value:
    """Indices that are constant move places; along one axis, or where nothing else has channels."""
    if call.name == "index_select":
        value, axis, index = call["self"], call.axis(call["self"]), call["index"]
        if index.tensor is not None:
            return walk.along(value, lambda t: t.index_select(axis, index.tensor))
    elif call.name == "embedding":
        value, index = call["weight"], call["indices"]
        if index.tensor is not None:
            return walk.along(value, lambda t: t[index.tensor])
    elif call.name == "index":
        value = call["self"]
        indices = [None if i is None else i.tensor for i in call["indices"]]
        given = {a for a, i in enumerate(call["indices"]) if i is not None}
        constants = all(i is None or i.tensor is not None for i in call["indices"])
        told = frozenset[int]().union(*(each.axes for each in value.labels))
        if constants and (len(given) == 1 or not given & told):
            return walk.along(value, lambda t: torch.ops.aten.index.Tensor(t, indices))
    return walk.hold(call.values(), call.shape, call.name)
