"""Coordinate ascent on the inner product of A's weights with B's permuted ones.

One group at a time is brought to its best places with the others held, until none changes.
"""

from __future__ import annotations

from collections.abc import Sequence

import torch
from torch import Tensor

from symscape.landscape.alignment.blocks import Unit, refined, similar_blocks
from symscape.landscape.alignment.pair import WeightPair, dot, permuted
from symscape.landscape.alignment.permutation import Permutations, assign_places, similarity_of
from symscape.stopping import safe_point

MAX_SWEEPS = 100


def ascend(
    pair: WeightPair,
    start: Permutations,
    generator: torch.Generator,
    only: Sequence[str | Unit] | None = None,
) -> tuple[dict[str, Tensor], float]:
    """Return where coordinate ascent from `start` ends, and the inner product there.

    Args:
        pair: the weights.
        start: permutations of all groups.
        generator: draws the order in which groups are visited.
        only: the groups and blocks that may change; None: all.
    """
    visits: Sequence[str | Unit] = [*pair.spec.plain(), *pair.units] if only is None else only
    permutations, met = dict(start), _met(pair, visits)
    due = set(range(len(visits)))  # The others would find again what they have.
    for _ in range(MAX_SWEEPS):
        changed = False
        for index in torch.randperm(len(visits), generator=generator).tolist():
            if index not in due:
                continue
            safe_point()
            due.remove(index)
            visit = visits[index]
            step = _ascend_blocks if isinstance(visit, Unit) else _ascend_group
            if step(pair, visit, permutations):
                changed, due = True, due | met[index]
        if not changed:
            break
    return permutations, pair.inner(permutations)


def _met(pair: WeightPair, visits: Sequence[str | Unit]) -> list[set[int]]:
    """Return for each group or unit those whose best places depend on where it lies.

    A group depends on itself where it lies along two axes of one entry; a unit always may.
    """
    at = {g: i for i, v in enumerate(visits) for g in (v.names() if isinstance(v, Unit) else [v])}
    met: list[set[int]] = [set() for _ in visits]
    for name in pair.a:
        here = [(at[group], slot.axes) for group, slot in pair.entries[name] if group in at]
        for index, axes in here:
            met[index] |= {i for i, others in here if i != index or others != axes}
    for index, visit in enumerate(visits):
        if isinstance(visit, Unit):
            met[index].add(index)
    return met


def _ascend_group(pair: WeightPair, group: str, permutations: dict[str, Tensor]) -> bool:
    """Bring the channels of one group to their best places; return whether that gained anything."""
    similarity, moves = pair.similarity(group, permutations), pair.spec.moves(group)
    best = assign_places(similarity, moves)
    values = [similarity_of(similarity, moves, p) for p in (best, permutations[group])]
    gain = (values[0].sum() - values[1].sum()).item()
    # A change that gains nothing could go on for ever.
    if gain <= 0 or gain <= 1e-12 * similarity.abs().max().item() * len(best):
        return False
    permutations[group] = best
    return True


def _ascend_blocks(pair: WeightPair, unit: Unit, permutations: dict[str, Tensor]) -> bool:
    """The same for blocks and what lies within them."""
    names = unit.names()
    here, there = pair.around(unit, permutations)
    slots = {entry: [each for each in pair.entries[entry] if each[0] in names] for entry in here}

    def value(orders: Permutations) -> float:
        return sum(dot(here[e], permuted(there[e], slots[e], orders)) for e in here)

    blocks, orders, _ = similar_blocks(unit, pair.spec, here, there)
    if unit.shared():
        moved = dict(permutations) | {unit.outer: blocks}
        orders = refined(unit, *pair.laid(unit, moved), orders)
    best = unit.permutations(blocks, orders)
    scale = sum(dot(t, t) for t in here.values())
    if value(best) - value(permutations) <= 1e-12 * scale:
        return False
    permutations |= best
    return True
