"""The five things that operations do to channels: combine, reduce, normalise, blur, move and join.

All others are made of these; what is made of none of them holds its channels still.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from dataclasses import replace

import numpy as np
import torch
from torch import Tensor

from symscape.models.permutations.walk.facts import Facts
from symscape.models.permutations.walk.labels import (
    Axes,
    Label,
    Shape,
    Value,
    ambiguous,
    coordinates,
    first_along,
    held_value,
    labelled,
    varying,
    without,
)

Op = Callable[[Tensor], Tensor]


class Walk:
    """What a walk along a graph does to values, and the facts that it states on its way."""

    def __init__(self) -> None:
        self.facts = Facts()

    def combine(self, values: Sequence[Value], shape: Iterable[int]) -> Value:
        """Number by number, after broadcasting: what sits in the same place moves together."""
        values = [value.broadcast(tuple(shape)) for value in values]
        kept, still = list[Label](), frozenset[int]()
        for i, value in enumerate(values):
            others = [other for j, other in enumerate(values) if j != i]
            for label in value.labels:
                hit = [other for other in others if other.fixed & label.axes]
                for other in hit:
                    self.facts.are_pinned(label, other.fixed, other.why)
                if label.axes <= frozenset[int]().union(*(other.fixed for other in hit)):
                    still |= label.axes  # Nothing of it moves any more: places like others.
                else:
                    kept = self._met(kept, label)
        covered = frozenset[int]().union(*(label.axes for label in kept))
        fixed = still.union(*(value.fixed for value in values))
        why = next((v.why for v in values if v.fixed - covered), "")
        return Value(tuple(shape), tuple(kept), fixed - covered, why)

    def _met(self, kept: list[Label], new: Label) -> list[Label]:
        """Return labels that another one joins: those that say the same are one."""
        left, absorbed = [], False
        for old in kept:
            if old.axes == new.axes:
                self.facts.are_same(old, new)
                new, absorbed = (old if new.copies is not None else new), False
                continue
            if old.axes < new.axes:
                self.facts.lie_inside(new, old)
                continue
            left.append(old)
            if new.axes < old.axes:
                self.facts.lie_inside(old, new)
                absorbed = True
            elif new.axes & old.axes:
                block = self.block(old, old.axes & new.axes)
                self.facts.lie_inside(new, block)
        return left if absorbed else [*left, new]

    def block(self, label: Label, axes: Axes) -> Label:
        """Return a label of new blocks along some axes of a label, whose channels lie within."""
        n, p = label.small()
        # Two places of a block that share a channel are copies of one block: that of least number.
        others = [a for a in range(n.dim()) if a not in axes]
        flat = n.permute(*sorted(axes), *others).flatten(len(axes)).flatten(0, -2)
        least, at = flat.min(1)
        copies = p.permute(*sorted(axes), *others).flatten(len(axes)).flatten(0, -2)
        copies = copies.gather(1, at[:, None])[:, 0]
        distinct, index = np.unique(least.numpy(), return_inverse=True)
        numbers = self.facts.new(len(distinct))[torch.from_numpy(index)]
        small = first_along(n, axes).shape
        block = labelled(
            numbers.view(small).expand(label.numbers.shape),
            copies.view(small).expand(label.numbers.shape),
        )
        self.facts.lie_inside(label, block)
        return block

    def reduce(self, value: Value, axes: Axes) -> Value:
        """Sum, mean, maximum over axes, which stay with length 1: channels there may swap.

        Within blocks, where other axes tell them apart.
        """
        shape = tuple(1 if a in axes else n for a, n in enumerate(value.shape))
        kept: list[Label] = []
        for label in value.labels:
            if label.axes <= axes:
                continue
            if label.axes & axes:
                label = self.block(label, label.axes - axes)
            copies = None if label.copies is None else _cut(label.copies, axes)
            kept = self._met(kept, Label(_cut(label.numbers, axes), copies))
        return Value(shape, tuple(kept), value.fixed - axes, value.why)

    def normalise(self, value: Value, axes: Axes) -> Value:
        """Softmax, layer norm: a reduction along axes that keeps them."""
        for label in value.labels:
            if label.axes & axes and label.axes - axes:
                self.block(label, label.axes - axes)
        return value

    def blur(self, value: Value, axes: Axes, shape: Iterable[int] | None = None) -> Value:
        """Kernels, pools, cumulative sums: the order along axes counts, and they are new ones.

        Args:
            value: what is blurred.
            axes: along which.
            shape: of the result, which differs along the axes alone; None: the same.
        """
        shape = tuple(shape) if shape is not None else value.shape
        why, kept = value.why, list[Label]()
        for label in value.labels:
            if hit := label.axes & axes:
                self.facts.are_pinned(label, hit, "order along an axis")
                why = why or "order along an axis"
                if not label.axes - axes:
                    continue
                label = self.block(label, label.axes - axes)
            copies = None if label.copies is None else _cut(label.copies, axes).expand(shape)
            kept = self._met(kept, Label(_cut(label.numbers, axes).expand(shape), copies))
        new = frozenset(a for a in axes if shape[a] > 1)
        return Value(shape, tuple(kept), (value.fixed - axes) | new, why or "order along an axis")

    def move(self, value: Value, op: Op, why: str = "reshaping") -> Value:
        """Views, rolls, flips, indices by constants: the operation itself runs on the labels."""
        if value.tensor is not None:
            raise TypeError("constants are computed")
        moved = [_moved(label, op) for label in value.labels]
        where = op(coordinates(value.shape, value.fixed))
        shape, fixed = tuple(where.shape), varying(where)
        met = [
            i
            for i, one in enumerate(moved)
            if one.copies is not None
            and any(one.axes & other.axes for j, other in enumerate(moved) if i != j)
        ]
        if met:  # Two kinds of channels lie along one axis now: pairs of them are too rare.
            return self.hold([value], shape, why)
        for before, after in zip(value.labels, moved, strict=True):
            if after.copies is not None or before.small()[0].numel() != after.small()[0].numel():
                self.facts.are_seen(after)
        covered = frozenset[int]().union(*(label.axes for label in moved))
        return Value(shape, tuple(moved), fixed - covered, value.why)

    def join(self, values: Sequence[Value], axis: int, why: str = "cat") -> Value:
        """Lay values side by side along an axis; what has no channels there gets new ones."""
        length = sum(value.shape[axis] for value in values)
        shape = tuple(length if a == axis else n for a, n in enumerate(values[0].shape))
        along = [[each for each in value.labels if axis in each.axes] for value in values]
        kinds = {each.axes for labels in along for each in labels}
        plain = kinds == {frozenset({axis})}
        whole = len(kinds) == 1 and all(along)
        if (kinds and not (plain or whole)) or any(len(labels) > 1 for labels in along):
            return self.hold(values, shape, why)
        rest = [self._aside(value, axis) for value in values]
        size = tuple(1 if a == axis else n for a, n in enumerate(shape))
        around = self.combine(rest, size)
        labels = [each.expand(shape) for each in around.labels]
        fixed, said = around.fixed, around.why
        if kinds:
            labels.append(self._side_by_side(values, along, axis, shape))
        elif length > 1:
            fixed, said = fixed | {axis}, said or next((v.why for v in values if v.why), why)
        return Value(shape, tuple(labels), fixed, said)

    def _aside(self, value: Value, axis: int) -> Value:
        """Return a value's first places along an axis, without the channels there."""
        value = without(value, (each for each in value.labels if axis not in each.axes))
        labels = tuple(
            Label(
                each.numbers.narrow(axis, 0, 1),
                None if each.copies is None else each.copies.narrow(axis, 0, 1),
            )
            for each in value.labels
        )
        shape = tuple(1 if a == axis else n for a, n in enumerate(value.shape))
        return Value(shape, labels, value.fixed - {axis}, value.why)

    def _side_by_side(
        self, values: Sequence[Value], along: list[list[Label]], axis: int, shape: Shape
    ) -> Label:
        key = self.facts.key()
        numbers, copies = [], []
        for part, (value, labels) in enumerate(zip(values, along, strict=True)):
            label = labels[0] if labels else self._new_along(value, axis)
            self.facts.are_seen(label, key, part)
            n, p = label.small()
            numbers.append(n)
            copies.append(p * len(values) + part)
        joined = [torch.cat(each, axis).expand(shape) for each in (numbers, copies)]
        return labelled(joined[0], joined[1])

    def _new_along(self, value: Value, axis: int) -> Label:
        """Return new channels along an axis: pads, which look alike, or places that are fixed."""
        sizes = [value.shape[axis] if a == axis else 1 for a in range(len(value.shape))]
        label = Label(self.facts.new(*sizes))
        if axis in value.fixed:
            self.facts.are_pinned(label, frozenset({axis}), value.why)
        return label

    def hold(self, values: Iterable[Value], shape: Iterable[int], why: str) -> Value:
        """An operation of which nothing is known: all its channels stay where they are."""
        for value in values:
            for label in value.labels:
                self.facts.are_pinned(label, label.axes, why)
        return held_value(shape, why)

    def along(self, value: Value, op: Op) -> Value:
        """Move a value, or compute on it where it is constant."""
        if value.tensor is None:
            return self.move(value, op)
        tensor = op(value.tensor)
        return replace(value, shape=tuple(tensor.shape), fixed=varying(tensor), tensor=tensor)


def _cut(tensor: Tensor, axes: Axes) -> Tensor:
    for axis in axes:
        tensor = tensor.narrow(axis, 0, 1)
    return tensor


def _moved(label: Label, op: Op) -> Label:
    numbers = op(label.numbers)
    if not ambiguous(numbers):
        return labelled(numbers)
    shape = tuple(label.numbers.shape)
    others = frozenset(range(len(shape))) - label.axes
    copies = coordinates(shape, others)
    if label.copies is not None:
        copies = label.copies * (int(copies.max()) + 1) + copies
    return labelled(numbers, op(copies))
