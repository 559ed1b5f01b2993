"""Labels: which channel each place of a tensor belongs to.

Every index along every axis of a parameter has a number. A value of the graph carries labels:
numbers of the value's shape, expanded (stride 0) along axes that tell no channels apart. Behind a
flattened map a channel sits at many places, its copies, told apart by what they were before.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass, replace

import numpy as np
import torch
from torch import Tensor

Axes = frozenset[int]
Shape = tuple[int, ...]


@dataclass(frozen=True, eq=False)
class Label:
    """Numbers (int64) along some axes of a value; place and copy together are met once."""

    numbers: Tensor
    copies: Tensor | None = None
    """Of the same shape, where a number is met at several places."""

    @property
    def axes(self) -> Axes:
        """The axes along which numbers differ."""
        t = self.numbers
        return frozenset(a for a in range(t.dim()) if t.shape[a] > 1 and t.stride(a))

    def small(self) -> tuple[Tensor, Tensor]:
        """Return numbers and copies with one index along all axes that tell nothing apart."""
        numbers = first_along(self.numbers, self.axes)
        if self.copies is None:
            return numbers, torch.zeros_like(numbers)
        return numbers, first_along(self.copies, self.axes)

    def expand(self, shape: Shape) -> Label:
        """Return the label of a value that was broadcast, with new axes in front."""
        copies = None if self.copies is None else self.copies.expand(shape)
        return Label(self.numbers.expand(shape), copies)


@dataclass(frozen=True, eq=False)
class Value:
    """What is known of a tensor of the graph."""

    shape: Shape
    labels: tuple[Label, ...] = ()
    fixed: Axes = frozenset()
    """Axes along which places differ and belong to no channel: pixels, say."""
    why: str = ""
    """What fixed them."""
    tensor: Tensor | None = None
    """Its content, where that is constant."""
    columns: Label | None = None
    """Of a parameter that is the kernel of a convolution in groups: its inputs, group by group, as
    a label of shape (groups, 1, inputs of a group); its axis 1 counts as fixed."""

    def broadcast(self, shape: Shape) -> Value:
        """Return the same value, repeated to a shape."""
        if self.shape == shape:
            return self
        new = len(shape) - len(self.shape)
        labels = tuple(label.expand(shape) for label in self.labels)
        return Value(shape, labels, frozenset(a + new for a in self.fixed), self.why)

    def stays(self, why: str) -> Value:
        """Return a value of this shape in which nothing moves."""
        return held_value(self.shape, why)


def held_value(shape: Iterable[int], why: str) -> Value:
    """Return a value without channels, all of whose places differ."""
    shape = tuple(shape)
    return Value(shape, (), frozenset(a for a, n in enumerate(shape) if n > 1), why)


def constant(tensor: Tensor, why: str = "constants") -> Value:
    """Return a value whose content is known."""
    axes, _ = _varying(tensor)
    return Value(tuple(tensor.shape), (), axes, why, tensor)


def first_along(tensor: Tensor, axes: Axes) -> Tensor:
    """Return a tensor with its first index alone along all axes but `axes`."""
    for axis in range(tensor.dim()):
        if axis not in axes and tensor.shape[axis] > 1:
            tensor = tensor.narrow(axis, 0, 1)
    return tensor


def coordinates(shape: Shape, axes: Axes) -> Tensor:
    """Return a tensor of this shape that numbers the places along some axes."""
    sizes = [n if a in axes else 1 for a, n in enumerate(shape)]
    return torch.arange(torch.Size(sizes).numel()).view(sizes).expand(shape)


def varying(tensor: Tensor) -> Axes:
    """Return the axes along which a tensor is not the same everywhere."""
    return _varying(tensor)[0]


def labelled(numbers: Tensor, copies: Tensor | None = None) -> Label:
    """Return a label of numbers of any layout; copies of one channel that are one are counted."""
    axes, small = _varying(numbers)
    flat = small.flatten()
    if all_differ(flat):
        return Label(small.expand(numbers.shape))
    apart = torch.zeros_like(small) if copies is None else first_along(copies, axes)
    apart = _counted(flat, apart.flatten()).view(small.shape)
    return Label(small.expand(numbers.shape), apart.expand(numbers.shape))


def ambiguous(numbers: Tensor) -> bool:
    """Say whether a number is met at several places."""
    return not all_differ(_varying(numbers)[1].flatten())


def all_differ(numbers: Tensor) -> bool:
    """Say whether no number of a vector is there twice."""
    return len(np.unique(numbers.numpy())) == len(numbers)


def _counted(numbers: Tensor, copies: Tensor) -> Tensor:
    """Return ranks of copies, with a count where number and copy are met more than once."""
    copies = torch.from_numpy(np.unique(copies.numpy(), return_inverse=True)[1])
    paired = numbers * (int(copies.max()) + 1) + copies
    pairs = torch.from_numpy(np.unique(paired.numpy(), return_inverse=True)[1])
    order = pairs.argsort(stable=True)
    counts = torch.bincount(pairs)
    starts = counts.cumsum(0) - counts
    times = torch.empty_like(pairs)
    times[order] = torch.arange(len(pairs)) - starts[pairs[order]]
    return copies * int(counts.max()) + times


def _varying(tensor: Tensor) -> tuple[Axes, Tensor]:
    """Return the axes along which a tensor varies, and its first places along all others."""
    for axis in range(tensor.dim()):
        if tensor.shape[axis] > 1 and tensor.stride(axis) == 0:
            tensor = tensor.narrow(axis, 0, 1)
    axes = set()
    for axis in range(tensor.dim()):
        if tensor.shape[axis] > 1:
            first = tensor.narrow(axis, 0, 1)
            if bool((tensor == first).all()):
                tensor = first
            else:
                axes.add(axis)
    return frozenset(axes), tensor


def without(value: Value, labels: Iterable[Label]) -> Value:
    """Return a value with other labels."""
    return replace(value, labels=tuple(labels))
