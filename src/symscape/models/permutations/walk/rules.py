"""What each ATen operation does to channels, in terms of the primitives.

Operations without a rule are decomposed where torch knows how, else they hold their channels still.
"""

from __future__ import annotations

from functools import partial

import torch

from symscape.models.permutations.walk.call import Call, Rule, entering
from symscape.models.permutations.walk.labels import Value, constant
from symscape.models.permutations.walk.moves import MOVES
from symscape.models.permutations.walk.primitives import Walk
from symscape.models.permutations.walk.products import PRODUCTS, vector_along
from symscape.models.permutations.walk.reductions import REDUCED

RULES: dict[str, Rule] = {**PRODUCTS, **MOVES, **REDUCED}
"""By name without overload: Walk and Call -> a Value, or a list of them."""
rule = entering(RULES)


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
