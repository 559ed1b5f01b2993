"""Alignment by weights: permutations that bring the kernels of B close to those of A.

Ainsworth et al. 2023, "Git Re-Basin": maximise the inner product of A's weights with B's permuted
ones, one group at a time with the others held, until no group changes. This ascent gets stuck
often, so it starts several times: from the identity, from a matching by sorted weights (which no
permutation of the neighbouring groups changes), at random, and, where channels may be translated,
from one layer to the next; the largest inner product counts.
BatchNorm's running statistics are permuted with their channels but do not count.
"""

from __future__ import annotations

import math
from collections.abc import Collection, Mapping, Sequence

import numpy as np
import torch
from torch import Tensor

from symscape.landscape.alignment.blocks import Unit, best_within, refined, similar_blocks, units
from symscape.landscape.alignment.permutation import (
    Permutations,
    assign,
    assign_places,
    identity_permutations,
    placed,
    random_permutations,
    similarity_of,
)
from symscape.landscape.evaluation import State
from symscape.models.permutations.spec import PermutationSpec, Slot
from symscape.stopping import safe_point

MAX_SWEEPS = 100
Entries = Mapping[str, list[tuple[str, Slot]]]
BUFFERS = ("running_mean", "running_var")


def match_weights(
    a: State, b: State, spec: PermutationSpec, *, restarts: int = 8, seed: int = 0
) -> tuple[dict[str, Tensor], float]:
    """Return the permutations that bring B's channels to A's, and the cosine of the weights.

    Args:
        a: a state dict.
        b: another one of its architecture.
        spec: their permutation groups.
        restarts: random starts, besides the identity and the sorted weights.
        seed: of the random starts and of the order in which groups are visited.
    """
    a, b = trained_weights(a, spec), trained_weights(b, spec)
    generator = torch.Generator().manual_seed(seed)
    starts = [identity_permutations(spec), sorted_weights(a, b, spec)]
    if spec.translations:
        starts.append(from_the_input(a, b, spec))
    starts += [random_permutations(spec, generator) for _ in range(restarts)]
    bound = (_squares(a) * _squares(b)) ** 0.5
    best: tuple[dict[str, Tensor], float] = (identity_permutations(spec), -math.inf)
    for start in starts:
        best = max(best, ascend(a, b, spec, start, generator), key=lambda end: end[1])
        if best[1] >= (1 - 1e-9) * bound:  # Cauchy-Schwarz: no other start can do better.
            break
    return best[0], best[1] / bound if bound else 0.0


def ascend(
    a: State,
    b: State,
    spec: PermutationSpec,
    start: Permutations,
    generator: torch.Generator,
    only: Sequence[str | Unit] | None = None,
) -> tuple[dict[str, Tensor], float]:
    """Return where coordinate ascent from `start` ends, and the inner product there.

    `only` names the groups and blocks that may change; None: all.
    """
    visits: Sequence[str | Unit] = [*spec.plain(), *units(spec)] if only is None else only
    permutations, entries = dict(start), spec.entries()
    met = _met(a, visits, entries)
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
            if step(a, b, spec, visit, permutations, entries):
                changed, due = True, due | met[index]
        if not changed:
            break
    return permutations, _inner(a, b, spec, permutations)


def _met(a: State, visits: Sequence[str | Unit], entries: Entries) -> list[set[int]]:
    """Return for each group or unit those whose best places depend on where it lies.

    A group depends on itself where it lies along two axes of one entry; a unit always may.
    """
    at = {g: i for i, v in enumerate(visits) for g in (v.names() if isinstance(v, Unit) else [v])}
    met: list[set[int]] = [set() for _ in visits]
    for name in a:
        here = [(at[group], slot.axes) for group, slot in entries[name] if group in at]
        for index, axes in here:
            met[index] |= {i for i, others in here if i != index or others != axes}
    for index, visit in enumerate(visits):
        if isinstance(visit, Unit):
            met[index].add(index)
    return met


def complete(
    a: State, b: State, spec: PermutationSpec, permutations: Permutations, seen: Collection[str]
) -> dict[str, Tensor]:
    """Match the groups that nobody has seen by weights; the others are held.

    Args:
        a: a state dict.
        b: another one of its architecture.
        spec: their permutation groups.
        permutations: of all groups; those of groups not `seen` are where to start.
        seen: names of groups.
    """
    a, b, blocks = trained_weights(a, spec), trained_weights(b, spec), units(spec)
    rest: list[str | Unit] = [group for group in spec.plain() if group not in seen]
    rest += [unit for unit in blocks if unit.outer not in seen]
    generator = torch.Generator().manual_seed(0)
    found, _ = ascend(a, b, spec, permutations, generator, only=rest)
    for unit in blocks:
        unseen = [r for r, groups in enumerate(unit.classes) if groups[0] not in seen]
        if unseen and unit.outer in seen:
            here, laid = _laid(a, b, spec, unit, found, spec.entries())
            orders = refined(unit, here, laid, unit.orders(found), only=unseen)
            found |= unit.permutations(found[unit.outer], orders)
    return found


def _ascend_group(
    a: State,
    b: State,
    spec: PermutationSpec,
    group: str,
    permutations: dict[str, Tensor],
    entries: Entries,
) -> bool:
    """Bring the channels of one group to their best places; return whether that gained anything."""
    similarity = _similarity(a, b, spec, group, permutations, entries)
    moves = spec.moves(group)
    best = assign_places(similarity, moves)
    values = [similarity_of(similarity, moves, p) for p in (best, permutations[group])]
    gain = (values[0].sum() - values[1].sum()).item()
    # A change that gains nothing could go on for ever.
    if gain <= 0 or gain <= 1e-12 * similarity.abs().max().item() * len(best):
        return False
    permutations[group] = best
    return True


def _ascend_blocks(
    a: State,
    b: State,
    spec: PermutationSpec,
    unit: Unit,
    permutations: dict[str, Tensor],
    entries: Entries,
) -> bool:
    """The same for blocks and what lies within them."""
    names = unit.names()
    here, there = _around(a, b, spec, unit, permutations, entries)
    slots = {entry: [each for each in entries[entry] if each[0] in names] for entry in here}

    def value(orders: Permutations) -> float:
        return sum(_dot(here[e], _permute(there[e], slots[e], orders)) for e in here)

    blocks, orders, _ = similar_blocks(unit, spec, here, there)
    if unit.shared():
        moved = dict(permutations) | {unit.outer: blocks}
        orders = refined(unit, *_laid(a, b, spec, unit, moved, entries), orders)
    best = unit.permutations(blocks, orders)
    scale = sum(_dot(t, t) for t in here.values())
    if value(best) - value(permutations) <= 1e-12 * scale:
        return False
    permutations |= best
    return True


def _around(
    a: State,
    b: State,
    spec: PermutationSpec,
    unit: Unit,
    permutations: Permutations,
    entries: Entries,
) -> tuple[dict[str, Tensor], dict[str, Tensor]]:
    """Return A's entries where a unit has slots, and B's, permuted by all other groups."""
    names = unit.names()
    touched = {slot.entry: None for group in names for slot in spec.slots[group]}
    here = {entry: a[entry] for entry in touched if entry in a}
    outside = {e: [each for each in entries[e] if each[0] not in names] for e in here}
    return here, {e: _permute(b[e], outside[e], permutations) for e in here}


def _laid(
    a: State,
    b: State,
    spec: PermutationSpec,
    unit: Unit,
    permutations: Permutations,
    entries: Entries,
) -> tuple[dict[str, Tensor], dict[str, Tensor]]:
    """Return the same with B's blocks in their places."""
    here, there = _around(a, b, spec, unit, permutations, entries)
    outer = {e: [each for each in entries[e] if each[0] == unit.outer] for e in here}
    return here, {e: _permute(there[e], outer[e], permutations) for e in here}


def sorted_weights(a: State, b: State, spec: PermutationSpec) -> dict[str, Tensor]:
    """Return a matching by the sorted weights of each channel.

    Sorting forgets the order of the neighbouring channels, so a planted permutation is found from
    any start; for networks trained apart it is a start like others.
    """
    cost = {
        group: torch.zeros(size, size, dtype=torch.float64) for group, size in spec.sizes.items()
    }
    blocks = units(spec)
    within = {group for unit in blocks for each in unit.classes for group in each}
    for group, slots in spec.slots.items():
        safe_point()
        for slot in slots if group not in within else ():
            if slot.entry in a:
                left, right = (_sorted(slot.rows(t[slot.entry])) for t in (a, b))
                cost[group] += torch.cdist(left, right).double().square_().cpu()
    found = {g: placed(assign(-each), spec.moves(g)[:1]) for g, each in cost.items()}
    for unit in blocks:
        found |= unit.permutations(found[unit.outer], _sorted_within(a, b, unit, found))
    return found


def _sorted(rows: Tensor) -> Tensor:
    """Return tensors sorted along the last axis; on a CPU NumPy is the faster one."""
    if rows.device.type != "cpu" or rows.dtype not in (torch.float32, torch.float64):
        return rows.sort(-1).values
    return torch.from_numpy(np.sort(rows.detach().numpy(), axis=-1))


def _sorted_within(a: State, b: State, unit: Unit, found: Permutations) -> list[Tensor]:
    """Return orders (H, n) within blocks that a matching has laid on each other."""
    orders = []
    for stacks in unit.stacks:
        count, n = stacks[0].places.shape[:2]
        cost = torch.zeros(count, n, n, dtype=torch.float64)
        for stack in stacks:
            if stack.entry in a:
                left, right = (_sorted(stack.rows(t[stack.entry])) for t in (a, b))
                right = right[found[unit.outer].to(right.device)]
                cost += torch.cdist(left, right).double().square_().cpu()
        orders.append(best_within(-cost)[0])
    return orders


def from_the_input(a: State, b: State, spec: PermutationSpec) -> dict[str, Tensor]:
    """Return a matching of one group after the other, by weights that reach back to the input.

    Sorted weights say nothing of translations, and with those of the neighbours wrong the ascent
    seldom finds one right; the first layer reads the image, which nothing moves.
    """
    permutations, known, entries = identity_permutations(spec), set[str](), spec.entries()
    for group in spec.sizes:
        safe_point()
        known.add(group)
        few = {
            name: tensor for name, tensor in a.items() if all(g in known for g, _ in entries[name])
        }
        similarity = _similarity(few, b, spec, group, permutations, entries)
        permutations[group] = assign_places(similarity, spec.moves(group))
    return permutations


def trained_weights(state: State, spec: PermutationSpec) -> dict[str, Tensor]:
    """Return the trained tensors that have channels, each (channels, ..., rest)."""
    entries = spec.entries()
    kept = {n: t for n, t in state.items() if n in entries and not n.endswith(BUFFERS)}
    return {n: t.unsqueeze(1) if t.dim() == 1 else t for n, t in kept.items()}


def _similarity(
    a: State,
    b: State,
    spec: PermutationSpec,
    group: str,
    permutations: Permutations,
    entries: Entries,
) -> Tensor:
    """Return (T, C, C) inner products of A's channels with B's, translated in T ways.

    The other groups are permuted.
    """
    size, moves = spec.sizes[group], spec.moves(group)
    total = torch.zeros(len(moves), size, size, dtype=torch.float64)
    for slot in spec.slots[group]:
        name = slot.entry
        if name not in a:
            continue
        left = slot.rows(a[name])
        others = [each for each in entries[name] if each[1].axes != slot.axes]
        right = slot.rows(_permute(b[name], others, permutations))
        if slot.places.shape[1] == 1 or len(moves[0]) == 1:
            total += (left @ right.T).cpu()  # Added in float64.
            continue
        elements = right.view(size, len(moves[0]), -1)
        for way, move in enumerate(moves.to(right.device)):
            moved = elements.index_select(1, move).flatten(1)
            total[way] += (left @ moved.T).cpu()
    return total


def _permute(tensor: Tensor, slots: list[tuple[str, Slot]], permutations: Permutations) -> Tensor:
    for group, slot in slots:
        tensor = slot.moved(tensor, permutations[group])
    return tensor


def _inner(a: State, b: State, spec: PermutationSpec, permutations: Permutations) -> float:
    entries = spec.entries()
    return sum(_dot(t, _permute(b[n], entries[n], permutations)) for n, t in a.items())


def _dot(a: Tensor, b: Tensor) -> float:
    return (a.double() * b.double()).sum().item()


def _squares(state: State) -> float:
    return sum(t.double().square().sum().item() for t in state.values())
