"""Alignment in two levels: which block (head, group of a convolution) on which, and what within.

The similarity of block h of A with block h' of B is the sum of the best assignments of what lies
within them; one assignment of the blocks then maximises the sum over all. H blocks, n channels of
one class (the query and key dimensions of a head, say) in each.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass

import torch
from torch import Tensor

from symscape.landscape.alignment.permutation import Permutations, assign
from symscape.models.permutations.spec import PermutationSpec, Slot

MAX_ROUNDS = 10


@dataclass(frozen=True, eq=False)
class Stack:
    """Where the channels of a class sit in an entry, block by block."""

    entry: str
    axes: tuple[int, int]
    places: Tensor
    """(H, n, m)."""

    def rows(self, tensor: Tensor) -> Tensor:
        """Return what belongs to each channel: (H, n, m times the rest)."""
        flat = Slot(self.entry, self.axes, self.places.flatten(0, 1)).rows(tensor)
        return flat.view(*self.places.shape[:2], -1)

    def moved(self, tensor: Tensor, orders: Tensor) -> Tensor:
        """Return a tensor whose channels are in another order (H, n) within each block."""
        blocks, n = self.places.shape[:2]
        whole = (torch.arange(blocks)[:, None] * n + orders).flatten()
        return Slot(self.entry, self.axes, self.places.flatten(0, 1)).moved(tensor, whole)


@dataclass(frozen=True, eq=False)
class Unit:
    """A group of blocks, and the classes of channels within them."""

    outer: str
    classes: tuple[tuple[str, ...], ...]
    """For each class its group in every block."""
    stacks: tuple[tuple[Stack, ...], ...]
    """For each class where its channels sit."""

    def names(self) -> set[str]:
        """Return all groups of the unit."""
        return {self.outer}.union(*self.classes)

    def orders(self, permutations: Permutations) -> list[Tensor]:
        """Return the order (H, n) of each class."""
        return [torch.stack([permutations[g] for g in groups]) for groups in self.classes]

    def permutations(self, blocks: Tensor, orders: Sequence[Tensor]) -> dict[str, Tensor]:
        """Return the permutations of all its groups."""
        found = {self.outer: blocks}
        for groups, order in zip(self.classes, orders, strict=True):
            found |= dict(zip(groups, order, strict=True))
        return found

    def shared(self) -> set[str]:
        """Return the entries where several classes sit, whose orders depend on each other."""
        counts: dict[str, int] = {}
        for stacks in self.stacks:
            for stack in stacks:
                counts[stack.entry] = counts.get(stack.entry, 0) + 1
        return {entry for entry, count in counts.items() if count > 1}


def units(spec: PermutationSpec) -> list[Unit]:
    """Return the blocks of a network; blocks within blocks move as they are."""
    within = {group for blocks in spec.inner.values() for each in blocks for group in each}
    found = []
    for outer, blocks in spec.inner.items():
        if outer in within:
            continue
        classes = tuple(zip(*blocks, strict=True))
        stacks = tuple(_stacks(spec, groups) for groups in classes)
        found.append(Unit(outer, classes, stacks))
    return found


def _stacks(spec: PermutationSpec, groups: Sequence[str]) -> tuple[Stack, ...]:
    """Return the slots of one class of all blocks, stacked where the entry is one for all."""
    found = []
    for slots in zip(*(spec.slots[group] for group in groups), strict=True):
        assert len({(slot.entry, slot.axes) for slot in slots}) == 1
        places = torch.stack([slot.places for slot in slots])
        found.append(Stack(slots[0].entry, slots[0].axes, places))
    return tuple(found)


def grams(stack: Stack, a: Tensor, b: Tensor) -> Tensor:
    """Return (H, H, n, n): products of each channel of A's blocks with each of B's."""
    left, right = stack.rows(a), stack.rows(b)
    blocks, n = stack.places.shape[:2]
    products = left.flatten(0, 1) @ right.flatten(0, 1).T
    return products.double().cpu().view(blocks, n, blocks, n).transpose(1, 2)


def best_within(similar: Tensor) -> tuple[Tensor, Tensor]:
    """Return the best assignment (..., n) of each matrix (..., n, n), and its similarity (...)."""
    flat = similar.flatten(0, -3)
    orders = torch.stack([assign(each) for each in flat])
    values = flat.gather(2, orders[..., None])[..., 0].sum(1)
    return orders.view(similar.shape[:-1]), values.view(similar.shape[:-2])


def best_blocks(
    classes: Iterable[Tensor], rigid: Tensor
) -> tuple[Tensor, list[Tensor], list[Tensor]]:
    """Return which block goes to which place, and the best orders within.

    Args:
        classes: for each the similarities (H, H, n, n) of channels.
        rigid: (H, H), what blocks have in common whatever is done within them.

    Returns:
        The blocks (H,); the orders (H, n) of each class; the same for all pairs (H, H, n).
    """
    total, pairs = rigid.clone(), []
    for similar in classes:
        orders, values = best_within(similar)
        total += values
        pairs.append(orders)
    blocks = assign(total)
    return blocks, [each[torch.arange(len(blocks)), blocks] for each in pairs], pairs


def similar_blocks(
    unit: Unit,
    spec: PermutationSpec,
    a: Mapping[str, Tensor],
    b: Mapping[str, Tensor],
) -> tuple[Tensor, list[Tensor], list[Tensor]]:
    """Return the best blocks and orders of a unit, as `best_blocks` does.

    Entries where several classes sit count with the orders that the others suggest.

    Args:
        unit: the blocks.
        spec: the groups.
        a: the entries in which the unit has slots.
        b: the same of B, permuted by all other groups.
    """
    shared, slots = unit.shared(), [s for s in spec.slots[unit.outer] if s.entry in a]
    touched = {stack.entry for stacks in unit.stacks for stack in stacks}
    count = spec.sizes[unit.outer]
    rigid = torch.zeros(count, count, dtype=torch.float64)
    for slot in slots:
        if slot.entry not in touched:
            rigid += (slot.rows(a[slot.entry]) @ slot.rows(b[slot.entry]).T).double().cpu()
    classes = [_alone(stacks, a, b, shared) for stacks in unit.stacks]
    pairs = [best_within(similar)[0] for similar in classes]
    for slot in slots:
        if slot.entry in shared:
            rigid += _coupled(unit, slot, a[slot.entry], b[slot.entry], pairs)
    return best_blocks(classes, rigid)


def _alone(
    stacks: Sequence[Stack], a: Mapping[str, Tensor], b: Mapping[str, Tensor], shared: set[str]
) -> Tensor:
    """Return the similarities (H, H, n, n) of a class in the entries that no other class shares."""
    blocks, n = stacks[0].places.shape[:2]
    total = torch.zeros(blocks, blocks, n, n, dtype=torch.float64)
    for stack in stacks:
        if stack.entry in a and stack.entry not in shared:
            total += grams(stack, a[stack.entry], b[stack.entry])
    return total


def _coupled(unit: Unit, slot: Slot, a: Tensor, b: Tensor, pairs: Sequence[Tensor]) -> Tensor:
    """Return the products (H, H) of blocks in an entry, with the orders of each pair within."""
    left, found = slot.rows(a), []
    for h in range(len(left)):
        moved = b
        for stacks, orders in zip(unit.stacks, pairs, strict=True):
            for stack in stacks:
                if stack.entry == slot.entry:
                    moved = stack.moved(moved, orders[h])
        found.append((slot.rows(moved) @ left[h]).double().cpu())
    return torch.stack(found)


def refined(
    unit: Unit,
    a: Mapping[str, Tensor],
    b: Mapping[str, Tensor],
    orders: list[Tensor],
    only: Iterable[int] | None = None,
) -> list[Tensor]:
    """Return orders (H, n) within blocks that already lie on each other: one class at a time.

    Args:
        unit: the blocks.
        a: the entries in which the unit has slots.
        b: the same of B, permuted by all groups but those within the blocks.
        orders: where to start.
        only: which classes may change; None: all.
    """
    orders, only = list(orders), range(len(orders)) if only is None else list(only)
    for _ in range(MAX_ROUNDS):
        before = [order.clone() for order in orders]
        for r in only:
            stacks = unit.stacks[r]
            blocks, n = stacks[0].places.shape[:2]
            total = torch.zeros(blocks, n, n, dtype=torch.float64)
            for stack in stacks:
                if stack.entry in a:
                    moved = _others(unit, stack, b[stack.entry], orders, r)
                    products = stack.rows(a[stack.entry]) @ stack.rows(moved).transpose(1, 2)
                    total += products.double().cpu()
            orders[r] = best_within(total)[0]
        if all(torch.equal(x, y) for x, y in zip(before, orders, strict=True)):
            break
    return orders


def _others(unit: Unit, here: Stack, b: Tensor, orders: Sequence[Tensor], r: int) -> Tensor:
    """Return an entry whose other classes are in their orders."""
    for other, (stacks, order) in enumerate(zip(unit.stacks, orders, strict=True)):
        for stack in stacks:
            if stack.entry == here.entry and (other != r or stack.axes != here.axes):
                b = stack.moved(b, order)
    return b
