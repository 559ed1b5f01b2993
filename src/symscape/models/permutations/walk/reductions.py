"""Reductions, and norms, which reduce and keep the axis."""

from __future__ import annotations

from symscape.models.permutations.walk.call import Call, Rule, entering
from symscape.models.permutations.walk.labels import Value
from symscape.models.permutations.walk.primitives import Walk
from symscape.models.permutations.walk.products import vector_along

REDUCED: dict[str, Rule] = {}
rule = entering(REDUCED)

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
        return walk.combine(call.values(), call.shape)
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
