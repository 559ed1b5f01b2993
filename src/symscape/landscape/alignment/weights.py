"""Alignment by weights: permutations that bring the kernels of B close to those of A.

Ainsworth et al. 2023, "Git Re-Basin": maximise the inner product of A's weights with B's permuted
ones, one group at a time with the others held, until no group changes. This ascent gets stuck
often, so it starts several times: from the identity, from a matching by sorted weights (which no
permutation of the neighbouring groups changes), at random, and, where channels may be translated,
from one layer to the next; the largest inner product counts.
"""

from __future__ import annotations

import math
from collections.abc import Collection

import torch
from torch import Tensor

from symscape.landscape.alignment.ascent import ascend
from symscape.landscape.alignment.blocks import Unit, refined
from symscape.landscape.alignment.pair import WeightPair
from symscape.landscape.alignment.permutation import (
    Permutations,
    identity_permutations,
    random_permutations,
)
from symscape.landscape.alignment.starts import from_the_input, sorted_weights
from symscape.landscape.evaluation import State
from symscape.models.permutations.spec import PermutationSpec


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
    pair, generator = WeightPair.of(a, b, spec), torch.Generator().manual_seed(seed)
    starts = [identity_permutations(spec), sorted_weights(pair)]
    if spec.translations:
        starts.append(from_the_input(pair))
    starts += [random_permutations(spec, generator) for _ in range(restarts)]
    bound = pair.bound()
    best: tuple[dict[str, Tensor], float] = (identity_permutations(spec), -math.inf)
    for start in starts:
        best = max(best, ascend(pair, start, generator), key=lambda end: end[1])
        if best[1] >= (1 - 1e-9) * bound:  # No other start can do better.
            break
    return best[0], best[1] / bound if bound else 0.0


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
    pair, generator = WeightPair.of(a, b, spec), torch.Generator().manual_seed(0)
    rest: list[str | Unit] = [group for group in spec.plain() if group not in seen]
    rest += [unit for unit in pair.units if unit.outer not in seen]
    found, _ = ascend(pair, permutations, generator, only=rest)
    for unit in pair.units:
        unseen = [r for r, groups in enumerate(unit.classes) if groups[0] not in seen]
        if unseen and unit.outer in seen:
            here, laid = pair.laid(unit, found)
            orders = refined(unit, here, laid, unit.orders(found), only=unseen)
            found |= unit.permutations(found[unit.outer], orders)
    return found
