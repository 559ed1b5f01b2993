"""What operations do to the rows and columns of a map, by the names of PyTorch's operators.

A rule takes the record and the call, and returns the flow of the output: None where there is no map
any more. What no rule knows ends the trail.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from typing import Any

import torch
from torch import Tensor

from symscape.audit.tracing.flow import Flow, broadcast, groups, moved, reduced
from symscape.audit.tracing.record import Record
from symscape.audit.tracing.steps import Axis


@dataclass(frozen=True)
class Call:
    """An operator that read a map."""

    name: str
    args: Sequence[Any]
    """With all defaults filled in."""
    flows: Sequence[Flow]
    """Of the tensors among its arguments, in their order; those without one are left out."""
    first: Flow
    """Of its first tensor that has one."""
    shape: tuple[int, ...]
    """Of that tensor."""
    out: tuple[int, ...]
    """Of the first output."""


Rule = Callable[[Record, Call], Flow | None]


def _pair(values: Sequence[int]) -> tuple[int, int]:
    return (int(values[0]), int(values[-1]))


def same(record: Record, call: Call) -> Flow | None:
    """Follow a map whose pixels stay where they are."""
    return replace(call.first, maker=None)


def convolution(record: Record, call: Call) -> Flow | None:
    """Note a convolution, or a transposed one."""
    weight, stride, padding, dilation, transposed, extra = (
        call.args[i] for i in (1, 3, 4, 5, 6, 7)
    )
    if call.first.dims != (2, 3) or weight.ndim != 4:
        return record.lose(call.first, f"{call.name} of dimensions that are not rows and columns")
    pads, own = _pair(padding), zip(_pair(stride), _pair(dilation), _pair(extra), strict=True)
    axes = [Axis(weight.shape[2 + a], s, d, pads[a], pads[a], e) for a, (s, d, e) in enumerate(own)]
    op = "transposed" if transposed else "convolution"
    return record.step(op, call, axes=(axes[0], axes[1]))


def pool(op: str, dilated: bool) -> Rule:
    """Return the rule of a pool."""

    def rule(record: Record, call: Call) -> Flow | None:
        if call.first.dims != (len(call.shape) - 2, len(call.shape) - 1):
            return record.lose(call.first, call.name)
        kernel, stride = _pair(call.args[1]), _pair(call.args[2] or call.args[1])
        pads = _pair(call.args[3])
        spread = _pair(call.args[4]) if dilated else (1, 1)
        axes = [Axis(kernel[a], stride[a], spread[a], pads[a], pads[a]) for a in (0, 1)]
        ceil = bool(call.args[5 if dilated else 4])
        return record.step(op, call, axes=(axes[0], axes[1]), ceil=ceil)

    return rule


def resize(record: Record, call: Call) -> Flow | None:
    """Note a map brought to another size."""
    if call.first.dims != (2, 3):
        return record.lose(call.first, call.name)
    record.trace.dynamic = True
    if "nearest" in call.name:
        return record.step("nearest", call)
    return record.step("resize", call, corners=bool(call.args[2]))


def adaptive(record: Record, call: Call) -> Flow | None:
    """Note a pool to a given size; to one cell, the map ends."""
    if call.out[-2:] == (1, 1):
        return record.head(call.first, "global")
    return record.step("adaptive pool", call)


def pad(record: Record, call: Call) -> Flow | None:
    """Take pads from the last dimension on, two each."""
    pads, rank = list(call.args[1]), len(call.shape)
    sides = {rank - 1 - i // 2: (pads[i], pads[i + 1]) for i in range(0, len(pads), 2)}
    return record.pad(call, [sides.get(d, (0, 0)) for d in call.first.dims or ()])


def cut(record: Record, call: Call) -> Flow | None:
    """Note rows or columns that are left out."""
    dims, dim = call.first.dims, call.args[1] % len(call.shape)
    if dims is None or dim not in dims:
        return same(record, call)
    length, step = call.shape[dim], int(call.args[4])
    start, end = (_bounded(i, length) for i in (call.args[2] or 0, _default(call.args[3], length)))
    if (start, end, step) == (0, length, 1):
        return same(record, call)
    record.trace.dynamic |= step == 1 or end != length
    axes = [Axis(1), Axis(1)]
    axes[dims.index(dim)] = Axis(1, step, 1, -start, end - length)
    return record.step("slice", call, axes=(axes[0], axes[1]))


def _default(value: int | None, default: int) -> int:
    return default if value is None else value


def _bounded(index: int, length: int) -> int:
    return min(max(index + length if index < 0 else index, 0), length)


def permute(record: Record, call: Call) -> Flow | None:
    """Follow a map through a permutation of dimensions."""
    assert call.first.dims is not None
    return replace(call.first, dims=moved(call.first.dims, call.args[1], len(call.shape)))


def transpose(record: Record, call: Call) -> Flow | None:
    """Follow a map through a swap of two dimensions."""
    assert call.first.dims is not None
    order = list(range(len(call.shape)))
    a, b = (d % len(order) for d in call.args[1:3]) if call.name == "transpose" else (0, 1)
    order[a], order[b] = order[b], order[a]
    return replace(call.first, dims=moved(call.first.dims, order, len(order)))


def view(record: Record, call: Call) -> Flow | None:
    """Follow rows and columns into another shape, where they stay by themselves."""
    dims = call.first.dims
    assert dims is not None
    height, width = (call.shape[d] for d in dims)
    if height * width == 1:
        return record.head(call.first, "global")
    found: list[int] = []
    together = groups(call.shape, call.out)
    for dim in dims:
        if call.shape[dim] == 1:
            return record.lose(call.first, "view of a map of one row or column")
        before, after = next(g for g in together if dim in g[0])
        if len(before) == len(after) == 1:
            found += after
        elif len(after) == 1 and set(dims) <= set(before):
            return _flattened(record, call, before, after[0])
        else:
            return record.lose(call.first, "view that takes rows or columns apart")
    return replace(call.first, dims=(found[0], found[1]), maker=None)


def _flattened(record: Record, call: Call, before: Sequence[int], after: int) -> Flow | None:
    if set(before) == set(call.first.dims or ()):
        return Flow(call.first.step, None, tokens=after)
    return record.head(call.first, "positional")


def reduce(record: Record, call: Call) -> Flow | None:
    """Follow a map over whose other dimensions is summed; over all its pixels, it ends."""
    rank = len(call.shape)
    wanted = call.args[1] if len(call.args) > 1 else None
    wanted = [wanted] if isinstance(wanted, int) else wanted
    gone = {d % rank for d in wanted} if wanted else set(range(rank))
    if call.first.tokens is not None:
        whole = call.first.tokens in gone
        return record.head(call.first, "global") if whole else record.lose(call.first, call.name)
    dims = call.first.dims
    assert dims is not None
    if set(dims) <= gone:
        return record.head(call.first, "global")
    if set(dims) & gone:
        return record.lose(call.first, f"{call.name} over rows or columns alone")
    kept = len(call.out) == rank
    return replace(call.first, dims=dims if kept else reduced(dims, sorted(gone)), maker=None)


def vector_norm(record: Record, call: Call) -> Flow | None:
    """Treat a norm as the sum that it is."""
    return reduce(record, replace(call, args=[call.args[0], call.args[2]]))


def select(record: Record, call: Call) -> Flow | None:
    """Follow a map of whose channels one is taken."""
    dims, dim = call.first.dims, call.args[1] % len(call.shape)
    assert dims is not None
    if dim in dims:
        return record.lose(call.first, "one row or column taken")
    return replace(call.first, dims=reduced(dims, [dim]), maker=None)


def squeeze(record: Record, call: Call) -> Flow | None:
    """Follow a map that loses dimensions of size 1; a map of one cell ends."""
    assert call.first.dims is not None
    if all(call.shape[d] == 1 for d in call.first.dims):
        return record.head(call.first, "global")
    return view(record, call)


def split(record: Record, call: Call) -> Flow | None:
    """Follow a map whose channels are shared out."""
    dims, dim = call.first.dims, (call.args[2] if len(call.args) > 2 else 0) % len(call.shape)
    if dims is None or dim in dims:
        return record.lose(call.first, call.name)
    return same(record, call)


def cat(record: Record, call: Call) -> Flow | None:
    """Follow maps whose channels are put side by side."""
    dims, dim = call.first.dims, (call.args[1] if len(call.args) > 1 else 0) % len(call.out)
    if dims is None or dim in dims:
        return record.lose(call.first, call.name)
    return record.merge(call)


def pointwise(record: Record, call: Call) -> Flow | None:
    """Follow maps that meet pixel by pixel."""
    merged = record.merge(call)
    if merged.dims is None:
        return merged
    return replace(merged, dims=broadcast(merged.dims, len(call.shape), len(call.out)))


def marks_a_place(tensor: Tensor, call: Call) -> bool:
    """Whether a constant that meets a map differs from its mirror images."""
    if call.first.dims is None or tensor.device.type == "meta":
        return False
    missing = len(call.out) - tensor.ndim
    dims = broadcast(call.first.dims, len(call.shape), len(call.out))
    own = [d - missing for d in dims if d >= missing and tensor.shape[d - missing] > 1]
    return any(not torch.equal(tensor, tensor.flip(d)) for d in own)
