"""Where the ascent of alignment by weights starts, besides the identity and at random."""

from __future__ import annotations

import numpy as np
import torch
from torch import Tensor

from symscape.landscape.alignment.blocks import Unit, best_within
from symscape.landscape.alignment.pair import WeightPair
from symscape.landscape.alignment.permutation import (
    Permutations,
    assign,
    assign_places,
    identity_permutations,
    placed,
)
from symscape.stopping import safe_point


def sorted_weights(pair: WeightPair) -> dict[str, Tensor]:
    """Return a matching by the sorted weights of each channel.

    Sorting forgets the order of the neighbouring channels, so a planted permutation is found from
    any start; for networks trained apart it is a start like others.
    """
    spec = pair.spec
    cost = {
        group: torch.zeros(size, size, dtype=torch.float64) for group, size in spec.sizes.items()
    }
    within = {group for unit in pair.units for each in unit.classes for group in each}
    for group, slots in spec.slots.items():
        safe_point()
        for slot in slots if group not in within else ():
            if slot.entry in pair.a:
                left, right = (_sorted(slot.rows(t[slot.entry])) for t in (pair.a, pair.b))
                cost[group] += torch.cdist(left, right).double().square_().cpu()
    found = {g: placed(assign(-each), spec.moves(g)[:1]) for g, each in cost.items()}
    for unit in pair.units:
        found |= unit.permutations(found[unit.outer], _sorted_within(pair, unit, found))
    return found


def _sorted(rows: Tensor) -> Tensor:
    """Return tensors sorted along the last axis; on a CPU NumPy is the faster one."""
    if rows.device.type != "cpu" or rows.dtype not in (torch.float32, torch.float64):
        return rows.sort(-1).values
    return torch.from_numpy(np.sort(rows.detach().numpy(), axis=-1))


def _sorted_within(pair: WeightPair, unit: Unit, found: Permutations) -> list[Tensor]:
    """Return orders (H, n) within blocks that a matching has laid on each other."""
    orders = []
    for stacks in unit.stacks:
        count, n = stacks[0].places.shape[:2]
        cost = torch.zeros(count, n, n, dtype=torch.float64)
        for stack in stacks:
            if stack.entry in pair.a:
                left, right = (_sorted(stack.rows(t[stack.entry])) for t in (pair.a, pair.b))
                right = right[found[unit.outer].to(right.device)]
                cost += torch.cdist(left, right).double().square_().cpu()
        orders.append(best_within(-cost)[0])
    return orders


def from_the_input(pair: WeightPair) -> dict[str, Tensor]:
    """Return a matching of one group after the other, by weights that reach back to the input.

    Sorted weights say nothing of translations, and with those of the neighbours wrong the ascent
    seldom finds one right; the first layer reads the image, which nothing moves.
    """
    permutations, known = identity_permutations(pair.spec), set[str]()
    for group in pair.spec.sizes:
        safe_point()
        known.add(group)
        similarity = pair.reaching(known).similarity(group, permutations)
        permutations[group] = assign_places(similarity, pair.spec.moves(group))
    return permutations
