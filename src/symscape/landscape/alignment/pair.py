"""The weights of two networks, and the inner product of A's with B's permuted ones.

C: channels of a group; T: ways to translate one. Products are added in float64.
"""

from __future__ import annotations

from collections.abc import Collection
from dataclasses import dataclass
from functools import cached_property

import torch
from torch import Tensor

from symscape.landscape.alignment.blocks import Unit, units
from symscape.landscape.alignment.permutation import Permutations
from symscape.landscape.evaluation import State
from symscape.models.permutations.spec import PermutationSpec, Slot

BUFFERS = ("running_mean", "running_var")


@dataclass(frozen=True, eq=False)
class WeightPair:
    """The trained weights of two networks of one architecture, and what may be permuted in B."""

    a: State
    b: State
    spec: PermutationSpec

    @classmethod
    def of(cls, a: State, b: State, spec: PermutationSpec) -> WeightPair:
        """Return the pair of two state dicts; what is not trained or has no channels is left out.

        BatchNorm's running statistics are permuted with their channels but do not count.
        """
        entries = spec.entries()
        return cls(_trained(a, entries), _trained(b, entries), spec)

    @cached_property
    def entries(self) -> dict[str, list[tuple[str, Slot]]]:
        """The groups and slots of each entry."""
        return self.spec.entries()

    @cached_property
    def units(self) -> list[Unit]:
        """The blocks of the network."""
        return units(self.spec)

    def reaching(self, groups: Collection[str]) -> WeightPair:
        """Return what of the pair has channels of these groups alone."""
        few = {n: t for n, t in self.a.items() if all(g in groups for g, _ in self.entries[n])}
        return WeightPair(few, self.b, self.spec)

    def bound(self) -> float:
        """Return the largest inner product that there can be, by Cauchy-Schwarz."""
        bound: float = (_squares(self.a) * _squares(self.b)) ** 0.5
        return bound

    def inner(self, permutations: Permutations) -> float:
        """Return the inner product of A's weights with B's permuted ones."""
        return sum(
            dot(t, permuted(self.b[n], self.entries[n], permutations)) for n, t in self.a.items()
        )

    def similarity(self, group: str, permutations: Permutations) -> Tensor:
        """Return (T, C, C) inner products of A's channels with B's, translated in T ways.

        The other groups are permuted.
        """
        size, moves = self.spec.sizes[group], self.spec.moves(group)
        total = torch.zeros(len(moves), size, size, dtype=torch.float64)
        for slot in self.spec.slots[group]:
            name = slot.entry
            if name not in self.a:
                continue
            left = slot.rows(self.a[name])
            others = [each for each in self.entries[name] if each[1].axes != slot.axes]
            right = slot.rows(permuted(self.b[name], others, permutations))
            if slot.places.shape[1] == 1 or len(moves[0]) == 1:
                total += (left @ right.T).cpu()  # Added in float64.
                continue
            elements = right.view(size, len(moves[0]), -1)
            for way, move in enumerate(moves.to(right.device)):
                moved = elements.index_select(1, move).flatten(1)
                total[way] += (left @ moved.T).cpu()
        return total

    def around(
        self, unit: Unit, permutations: Permutations
    ) -> tuple[dict[str, Tensor], dict[str, Tensor]]:
        """Return A's entries where a unit has slots, and B's, permuted by all other groups."""
        names = unit.names()
        touched = {slot.entry: None for group in names for slot in self.spec.slots[group]}
        here = {entry: self.a[entry] for entry in touched if entry in self.a}
        outside = {e: [each for each in self.entries[e] if each[0] not in names] for e in here}
        return here, {e: permuted(self.b[e], outside[e], permutations) for e in here}

    def laid(
        self, unit: Unit, permutations: Permutations
    ) -> tuple[dict[str, Tensor], dict[str, Tensor]]:
        """Return the same with B's blocks in their places."""
        here, there = self.around(unit, permutations)
        outer = {e: [each for each in self.entries[e] if each[0] == unit.outer] for e in here}
        return here, {e: permuted(there[e], outer[e], permutations) for e in here}


def permuted(tensor: Tensor, slots: list[tuple[str, Slot]], permutations: Permutations) -> Tensor:
    """Return a tensor whose channels in these slots are permuted."""
    for group, slot in slots:
        tensor = slot.moved(tensor, permutations[group])
    return tensor


def dot(a: Tensor, b: Tensor) -> float:
    """Return the inner product of two tensors, in float64."""
    return (a.double() * b.double()).sum().item()


def _trained(state: State, entries: Collection[str]) -> dict[str, Tensor]:
    """Return the trained tensors that have channels, each (channels, ..., rest)."""
    kept = {n: t for n, t in state.items() if n in entries and not n.endswith(BUFFERS)}
    return {n: t.unsqueeze(1) if t.dim() == 1 else t for n, t in kept.items()}


def _squares(state: State) -> float:
    return sum(t.double().square().sum().item() for t in state.values())
