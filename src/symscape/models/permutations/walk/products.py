"""Convolutions, linear maps, products of matrices, attention: combine, then reduce."""

from __future__ import annotations

from dataclasses import replace

from symscape.models.permutations.walk.call import Call, Rule
from symscape.models.permutations.walk.labels import Value
from symscape.models.permutations.walk.primitives import Walk


def vector_along(walk: Walk, vector: Value, value: Value, axis: int) -> Value:
    """Return a vector (C,) as one that lies along an axis of a value."""
    sizes = [vector.shape[0] if a == axis else 1 for a in range(len(value.shape))]
    return walk.along(vector, lambda t: t.reshape(sizes))


def product(walk: Walk, a: Value, b: Value, shape: tuple[int, ...], axis: int) -> Value:
    """Return a sum of products along an axis, which goes: both already lie along `shape`."""
    out = walk.reduce(walk.combine([a, b], shape), frozenset({axis}))
    return walk.move(out, lambda t: t.squeeze(axis))


def linear(walk: Walk, call: Call) -> Value:
    """(..., I) and (O, I) to (..., O)."""
    x, weight, bias = call["input"], call["weight"], call.get("bias")
    columns = walk.along(x, lambda t: t.unsqueeze(-2))
    shape = (*x.shape[:-1], *weight.shape)
    out = product(walk, columns, weight, shape, len(shape) - 1)
    return walk.combine([out, bias], call.shape) if bias is not None else out


def matmul(walk: Walk, a: Value, b: Value) -> Value:
    """(..., n, k) and (..., k, m) to (..., n, m); vectors as torch.matmul has them."""
    flat_a, flat_b = len(a.shape) == 1, len(b.shape) == 1
    a = walk.along(a, lambda t: t.unsqueeze(0)) if flat_a else a
    b = walk.along(b, lambda t: t.unsqueeze(1)) if flat_b else b
    left, right = walk.along(a, lambda t: t.unsqueeze(-1)), walk.along(b, lambda t: t.unsqueeze(-3))
    shape = torch_broadcast(left.shape, right.shape)
    out = product(walk, left, right, shape, len(shape) - 2)
    if flat_a:
        out = walk.move(out, lambda t: t.squeeze(-2))
    return walk.move(out, lambda t: t.squeeze(-1)) if flat_b else out


def torch_broadcast(a: tuple[int, ...], b: tuple[int, ...]) -> tuple[int, ...]:
    """Return the shape to which two shapes broadcast."""
    count = max(len(a), len(b))
    pairs = zip((1,) * (count - len(a)) + a, (1,) * (count - len(b)) + b, strict=True)
    return tuple(max(pair) if 0 not in pair else 0 for pair in pairs)


def matrices(walk: Walk, call: Call) -> Value:
    """mm, bmm, matmul, mv, dot; addmm and baddbmm add a value."""
    *rest, a, b = call.values()
    out = matmul(walk, a, b)
    return walk.combine([out, *rest], call.shape) if rest else out


def convolution(walk: Walk, call: Call) -> Value:
    """X (N, C, pixels) and weight (O, I, taps), in groups: C = g I, O = g o.

    The order of taps and pixels counts. A kernel of one tap leaves pixels alone.
    """
    x, weight, bias = call["input"], call["weight"], call.get("bias")
    transposed = call.get("transposed", "transpose" in call.name)
    count = len(weight.shape) - 2
    groups = call.get("groups", 1)
    if len(x.shape) == count + 1:  # One image alone.
        return walk.hold(call.values(), call.shape, call.name)
    pixels = frozenset(range(2, 2 + count))
    pointwise = not transposed and set(weight.shape[2:]) == {1} and x.shape[2:] == call.shape[2:]
    if not pointwise:
        x = walk.blur(x, pixels, (*x.shape[:2], *call.shape[2:]))
    batch, size = x.shape[0], x.shape[2:]
    weight = _matrix(walk, weight, groups, transposed)
    _, o, i = weight.shape
    x = walk.along(replace(x, tensor=None), lambda t: t.reshape(batch, groups, 1, i, *size))
    weight = walk.move(weight, lambda t: t.reshape(1, groups, o, i, *[1] * count))
    out = product(walk, x, weight, (batch, groups, o, i, *size), 3)
    out = walk.move(out, lambda t: t.reshape(call.shape))
    if bias is None:
        return out
    return walk.combine([out, vector_along(walk, bias, out, 1)], call.shape)


def _matrix(walk: Walk, weight: Value, groups: int, transposed: bool) -> Value:
    """Return a kernel as matrices (g, o, I), whatever its taps."""
    columns, shape = weight.columns, weight.shape
    weight = walk.blur(replace(weight, tensor=None), frozenset(range(2, len(shape))))
    weight = walk.move(weight, lambda t: t[(...,) + (0,) * (len(shape) - 2)])
    weight = walk.move(weight, lambda t: t.reshape(groups, shape[0] // groups, shape[1]))
    if columns is not None and len(columns.numbers) != groups:
        walk.hold([Value(tuple(columns.numbers.shape), (columns,))], (), "groups that differ")
    elif columns is not None:
        labels = (*weight.labels, columns.expand(weight.shape))
        weight = replace(weight, labels=labels, fixed=weight.fixed - {2})
    return walk.move(weight, lambda t: t.mT) if transposed else weight


def attention(walk: Walk, call: Call) -> Value:
    """softmax(q k^T + mask) v: q (..., T, d), k (..., S, d), v (..., S, e)."""
    q, k, v, mask = call["query"], call["key"], call["value"], call.get("attn_mask")
    if call.get("enable_gqa", False) and q.shape[-3] != k.shape[-3]:
        times = q.shape[-3] // k.shape[-3]
        k, v = (walk.along(x, lambda t: t.repeat_interleave(times, -3)) for x in (k, v))
    scores = matmul(walk, q, walk.along(k, lambda t: t.transpose(-1, -2)))
    if call.get("is_causal", False):
        scores = walk.blur(scores, frozenset({len(scores.shape) - 2, len(scores.shape) - 1}))
    if mask is not None:
        scores = walk.combine([scores, mask], scores.shape)
    scores = walk.normalise(scores, frozenset({len(scores.shape) - 1}))
    return matmul(walk, scores, v)


PRODUCTS: dict[str, Rule] = {
    "linear": linear,
    "scaled_dot_product_attention": attention,
    **dict.fromkeys(("mm", "bmm", "matmul", "mv", "dot", "addmm", "baddbmm", "addmv"), matrices),
    **dict.fromkeys(
        ("convolution", "conv1d", "conv2d", "conv3d", "conv_transpose1d", "conv_transpose2d"),
        convolution,
    ),
    "conv_transpose3d": convolution,
}
