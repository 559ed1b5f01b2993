"""What each ATen operation does to channels, in terms of the primitives.

Operations without a rule are decomposed where torch knows how, else they hold their channels still.
"""

from __future__ import annotations

from collections.abc import Callable
from functools import partial

import torch
from torch import Tensor

from symscape.models.permutations.walk.call import Call, Rule
from symscape.models.permutations.walk.labels import Value, constant
from symscape.models.permutations.walk.primitives import Walk
from symscape.models.permutations.walk.products import PRODUCTS, vector_along

RULES: dict[str, Rule] = dict(PRODUCTS)
"""By name without overload: Walk and Call -> a Value, or a list of them."""


def rule(*names: str) -> Callable[[Rule], Rule]:
    """Enter a rule under the names of operations."""

    def entered(function: Rule) -> Rule:
        RULES.update(dict.fromkeys(names, function))
        return function

    return entered


def pointwise(walk: Walk, call: Call) -> Value:
    """Number by number."""
    return walk.combine(call.values(), call.shape)


@rule("clone", "contiguous", "alias", "detach", "lift_fresh_copy", "_to_copy", "to", "dropout")
def same(walk: Walk, call: Call) -> Value:
    """What changes no number, or each on its own."""
    if call.name == "dropout" and call["train"]:
        return walk.hold(call.values(), call.shape, "dropout in training mode")
    value = call.first()
    if value.tensor is not None:
        return constant(call.on(value.tensor))
    return value


@rule("copy")
def copied(walk: Walk, call: Call) -> Value:
    """What is written over a tensor: nothing of it is left."""
    source: Value = call["src"]
    if source.tensor is not None:
        return constant(source.tensor.expand(call.shape))
    return source.broadcast(call.shape)


@rule("zeros_like", "ones_like", "full_like", "empty_like", "new_zeros", "new_ones", "new_full")
@rule("new_empty", "fill", "zero")
def filled(walk: Walk, call: Call) -> Value:
    """One number everywhere, whatever the tensor holds."""
    number = call.get("fill_value", call.get("value", float("ones" in call.name)))
    if isinstance(number, Value):
        return walk.hold(call.values(), call.shape, call.name)
    return constant(torch.tensor(number).expand(call.shape))


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


REDUCTIONS = (
    "mean",
    "sum",
    "amax",
    "amin",
    "var",
    "std",
    "logsumexp",
    "prod",
    "any",
    "all",
    "linalg_vector_norm",
    "norm",
)


@rule(*REDUCTIONS)
def reduced(walk: Walk, call: Call) -> Value:
    """Over axes; all where none is named."""
    value = call.first()
    axes = call.axes("dim", value)
    return _without(walk, walk.reduce(value, axes), axes, call)


@rule("max", "min")
def largest(walk: Walk, call: Call) -> Value | list[Value]:
    """Largest number along an axis, and where it is; of everything, or of two values."""
    if len(call.values()) > 1:
        return pointwise(walk, call)
    largest_ones: Value = reduced(walk, call)
    if not call.several:
        return largest_ones
    where = walk.hold([call.first()] if 1 in call.used else [], call.shapes[1], f"arg{call.name}")
    return [largest_ones, where]


@rule("var_mean", "std_mean")
def moments(walk: Walk, call: Call) -> list[Value]:
    """Two reductions."""
    return [reduced(walk, call), reduced(walk, call)]


def _without(walk: Walk, value: Value, axes: frozenset[int], call: Call) -> Value:
    """Take reduced axes away unless they are kept."""
    if len(call.shape) == len(value.shape):
        return value
    return walk.move(value, lambda t: t.reshape(call.shape)) if axes else value


@rule("softmax", "_softmax", "log_softmax", "_log_softmax", "_safe_softmax")
def softmax(walk: Walk, call: Call) -> Value:
    """Along one axis."""
    value = call.first()
    return walk.normalise(value, frozenset({call.axis(value)}))


@rule("layer_norm", "native_layer_norm", "rms_norm", "_fused_rms_norm")
def layer_norm(walk: Walk, call: Call) -> Value | list[Value]:
    """Over the last axes, then number by number with two vectors."""
    value = call["input"]
    count = len(call["normalized_shape"])
    axes = frozenset(range(len(value.shape) - count, len(value.shape)))
    vectors = [call[k] for k in ("weight", "bias") if call.get(k) is not None]
    out = walk.combine([walk.normalise(value, axes), *vectors], value.shape)
    return [out, *(walk.reduce(value, axes) for _ in call.shapes[1:])] if call.several else out


@rule("batch_norm", "native_batch_norm", "cudnn_batch_norm", "_native_batch_norm_legit")
@rule("_native_batch_norm_legit_no_training", "instance_norm")
def batch_norm(walk: Walk, call: Call) -> Value | list[Value]:
    """With vectors of channels; where it has no statistics of its own, over the other axes too."""
    value = call["input"]
    training = call.get("training", False) or call.get("running_mean") is None
    others = frozenset(range(len(value.shape))) - {1}
    if training or call.get("use_input_stats", False):
        value = walk.normalise(value, others - {0} if call.name == "instance_norm" else others)
    names = ("weight", "bias", "running_mean", "running_var")
    vectors = [vector_along(walk, call[k], value, 1) for k in names if call.get(k) is not None]
    out = walk.combine([value, *vectors], value.shape)
    return [out, *(value.stays(call.name) for _ in call.shapes[1:])] if call.several else out


@rule("group_norm", "native_group_norm")
def group_norm(walk: Walk, call: Call) -> Value | list[Value]:
    """Over the channels of each of its groups and all pixels."""
    value = call["input"]
    groups = call.get("num_groups", call.get("group"))
    batch, channels, *pixels = value.shape
    shape = (batch, groups, channels // groups, *pixels)
    parts = walk.along(value, lambda t: t.reshape(shape))
    parts = walk.normalise(parts, frozenset(range(2, len(shape))))
    out = walk.move(parts, lambda t: t.reshape(value.shape))
    vectors = [vector_along(walk, call[k], value, 1) for k in ("weight", "bias") if call.get(k)]
    out = walk.combine([out, *vectors], value.shape)
    return [out, *(value.stays(call.name) for _ in call.shapes[1:])] if call.several else out


@rule("_weight_norm_interface")
def weight_norm(walk: Walk, call: Call) -> list[Value]:
    """A direction over its norm along all axes but one, times a length."""
    v, g, axis = call["v"], call["g"], call.axis(call["v"])
    norms = walk.reduce(v, frozenset(range(len(v.shape))) - {axis})
    return [walk.combine([v, norms, g], v.shape), norms]


@rule("prelu", "_prelu_kernel")
def prelu(walk: Walk, call: Call) -> Value:
    """Number by number, with a vector of channels."""
    value, weight = call.values()
    if len(weight.shape) == 1 and len(value.shape) > 1:
        weight = vector_along(walk, weight, value, 1)
    return walk.combine([value, weight], value.shape)


@rule("cumsum", "cumprod", "logcumsumexp")
def ordered(walk: Walk, call: Call) -> Value:
    """The order along an axis counts."""
    value = call.first()
    return walk.blur(value, frozenset({call.axis(value)}))


@rule("glu")
def glu(walk: Walk, call: Call) -> Value:
    """One half times a function of the other."""
    value, axis = call.first(), call.axis(call.first())
    half = value.shape[axis] // 2
    parts = [
        walk.along(value, partial(torch.narrow, dim=axis, start=s, length=half)) for s in (0, half)
    ]
    return walk.combine(parts, call.shape)


def pool(count: int, walk: Walk, call: Call) -> Value | list[Value]:
    """Pools and resizing: the last axes are pixels, which become others."""
    value = call.first()
    axes = frozenset(range(len(value.shape) - count, len(value.shape)))
    whole = all(call.shape[a] == 1 for a in axes) and "adaptive" in call.name
    out = walk.reduce(value, axes) if whole else walk.blur(value, axes, call.shape)
    return [out, *(value.stays(call.name) for _ in call.shapes[1:])] if call.several else out


for _n in (1, 2, 3):
    for _name in ("max_pool{}d", "avg_pool{}d", "adaptive_avg_pool{}d", "adaptive_max_pool{}d"):
        RULES[_name.format(_n)] = partial(pool, _n)
        RULES["_" + _name.format(_n)] = partial(pool, _n)
    RULES[f"max_pool{_n}d_with_indices"] = partial(pool, _n)
for _n, _name in ((1, "linear"), (2, "bilinear"), (2, "bicubic"), (3, "trilinear")):
    for _kind in ("upsample_{}", "_upsample_{}_aa"):
        RULES[_kind.format(_name) + (f"{_n}d" if _name != "" else "")] = partial(pool, _n)
for _n in (1, 2, 3):
    RULES[f"upsample_nearest{_n}d"] = RULES[f"_upsample_nearest_exact{_n}d"] = partial(pool, _n)
