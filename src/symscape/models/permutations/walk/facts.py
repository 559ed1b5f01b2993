"""Facts about channels: who is one, who lies within whom, who is told apart.

Operations state local facts, nobody names groups. A fact has a key, one for each statement of the
walk: a permutation of channels is allowed where it takes facts to facts of the same key.
"""

from __future__ import annotations

from collections import Counter
from dataclasses import dataclass, field

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from symscape.models.permutations.walk.labels import Axes, Label, coordinates, first_along

Numbers = NDArray[np.int64]


@dataclass
class Pairs:
    """Facts about two numbers each, in columns of equal length: key, both numbers, their copies."""

    columns: list[tuple[Numbers, ...]] = field(default_factory=list)

    def add(self, key: int, *columns: Tensor) -> None:
        """Add facts of one key."""
        flat = [column.flatten().numpy() for column in columns]
        self.columns.append((np.full(len(flat[0]), key), *flat))

    def arrays(self, count: int) -> tuple[Numbers, ...]:
        """Return each column whole; there are `count`."""
        if not self.columns:
            return tuple(np.zeros(0, np.int64) for _ in range(count))
        return tuple(np.concatenate(column) for column in zip(*self.columns, strict=True))


class Facts:
    """All facts that the walk along a graph states."""

    def __init__(self) -> None:
        self.count = 0
        """Numbers so far."""
        self.same, self.inside, self.seen = Pairs(), Pairs(), Pairs()
        self.reasons: list[tuple[Tensor, str]] = []
        """Numbers that are held still, and what holds them."""
        self.keys = 0

    def key(self) -> int:
        """Return a key that no other fact has."""
        self.keys += 1
        return self.keys

    def new(self, *shape: int) -> Tensor:
        """Return new numbers, which look alike as long as no fact tells them apart."""
        count = int(np.prod(shape))
        numbers = torch.arange(self.count, self.count + count).view(shape)
        self.count += count
        self.seen.add(self.key(), numbers, torch.zeros_like(numbers))
        return numbers

    def are_same(self, a: Label, b: Label) -> None:
        """Two labels on the same axes number the same channels."""
        (n, p), (m, q) = a.small(), b.small()
        self.same.add(self.key(), n, m, p, q)

    def lie_inside(self, inner: Label, outer: Label) -> None:
        """The channels of a label lie within blocks, whose label has some of its axes."""
        (n, p), axes = inner.small(), outer.axes
        m, q = (first_along(t, axes).expand_as(n) for t in outer.small())
        self.inside.add(self.key(), n, m, p, q)

    def are_seen(self, label: Label, key: int | None = None, part: int = 0) -> None:
        """A tensor holds these channels, and others not; or a part of it does."""
        n, p = label.small()
        self.seen.add(self.key() if key is None else key, n, p + (part << 32))

    def are_pinned(self, label: Label, axes: Axes, why: str) -> None:
        """The order of channels along some axes of a label counts."""
        n, p = label.small()
        axes &= label.axes
        places = coordinates(tuple(n.shape), axes)
        self.seen.add(self.key(), n, places + (p << 32))
        if axes == label.axes:
            self.reasons.append((n, why))

    def held(self, channel: Numbers, kept: NDArray[np.bool_]) -> Counter[str]:
        """Return how many of the numbers `kept` (bool) each reason holds.

        The first reason given for any number of a channel counts.
        """
        counts: Counter[str] = Counter()
        left = kept.copy()
        for numbers, why in self.reasons:
            hit = np.zeros(len(left), bool)
            hit[channel[numbers.flatten().numpy()]] = True
            some = left & hit[channel]
            counts[why] += int(some.sum())
            left &= ~some
        counts["nothing like them"] += int(left.sum())
        return +counts
