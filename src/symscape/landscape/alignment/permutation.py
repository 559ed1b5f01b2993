"""Permuting hidden channels: the function of a network stays what it is."""

from __future__ import annotations

from collections.abc import Mapping

import torch
from scipy.optimize import linear_sum_assignment
from torch import Tensor, nn

from symscape.landscape.evaluation import State
from symscape.models.permutations.spec import PermutationSpec

Permutations = Mapping[str, Tensor]
"""For each group an int64 tensor: entry i is the old place of what moves to place i. Channels that
have N elements have as many entries each, one after the other."""


class AlignmentError(ValueError):
    """The permuted network is not the same function: its permutation groups must be wrong."""


def permute_state(state: State, spec: PermutationSpec, permutations: Permutations) -> State:
    """Return a state dict whose channels are permuted wherever they sit."""
    moved = dict(state)
    for name, slots in spec.entries().items():
        for group, slot in slots:
            moved[name] = slot.moved(moved[name], permutations[group])
    return moved


def placed(channels: Tensor, moves: Tensor) -> Tensor:
    """Return the order of places (C N,) of an order of channels (C,), each moved by (C, N)."""
    return (channels[:, None] * moves.shape[1] + moves).flatten()


def identity_permutations(spec: PermutationSpec) -> dict[str, Tensor]:
    """Return the permutations that move nothing."""
    return {
        group: torch.arange(size * spec.moves(group).shape[1]) for group, size in spec.sizes.items()
    }


def random_permutations(spec: PermutationSpec, generator: torch.Generator) -> dict[str, Tensor]:
    """Return a random permutation of each group, its channels translated at random."""
    drawn = {}
    for group, size in spec.sizes.items():
        channels, moves = torch.randperm(size, generator=generator), spec.moves(group)
        chosen = torch.zeros(size, dtype=torch.int64)
        if len(moves) > 1:
            chosen = torch.randint(len(moves), (size,), generator=generator)
        drawn[group] = placed(channels, moves[chosen])
    return drawn


def assign_places(similarity: Tensor, moves: Tensor) -> Tensor:
    """Return the order of places that maximises the sum of similarities, exactly; int64 (C N,).

    Args:
        similarity: (T, C, C): of each channel with each other one, under each translation.
        moves: (T, N), what the translations do.
    """
    if len(moves) == 1:
        return placed(assign(similarity[0]), moves)
    best, how = similarity.max(0)
    channels = assign(best)
    return placed(channels, moves[how[torch.arange(len(channels)), channels].cpu()])


def similarity_of(similarity: Tensor, moves: Tensor, order: Tensor) -> Tensor:
    """Return the similarities (C,) that an order of places, `placed`, comes to."""
    places = moves.shape[1]
    channels, first = order[::places] // places, order[::places] % places
    # A translation is known by where it brings the first place.
    how = (moves[:, 0] == first[:, None]).int().argmax(1)
    return similarity[how, torch.arange(len(channels)), channels]


def assign(similarity: Tensor) -> Tensor:
    """Return the permutation p that maximises sum_i similarity[i, p(i)], exactly; int64 (n,)."""
    _, columns = linear_sum_assignment(similarity.double().cpu().numpy(), maximize=True)
    return torch.from_numpy(columns)


def moved_share(permutations: Permutations) -> float:
    """Return the share of all channels that change places."""
    moved = sum(int((p != torch.arange(len(p))).sum()) for p in permutations.values())
    return moved / sum(len(p) for p in permutations.values())


@torch.inference_mode()
def check_same_function(
    network: nn.Module, original: State, permuted: State, images: Tensor, tolerance: float = 1e-4
) -> float:
    """Return the largest change of a logit, relative to the largest logit.

    Args:
        network: in eval mode and full precision; it is left with the permuted weights.
        original: a state dict.
        permuted: what must compute the same.
        images: a batch (n, c, h, w).
        tolerance: of the relative change.

    Raises:
        AlignmentError: the change is larger.
    """
    logits = []
    for state in (original, permuted):
        network.load_state_dict(state)
        logits.append(network(images).double())
    change: float = ((logits[1] - logits[0]).abs().max() / logits[0].abs().max()).item()
    if not change <= tolerance:
        raise AlignmentError(
            f"the permuted network is another function: logits change by {change:.2g} of their "
            f"scale, allowed are {tolerance:g}"
        )
    return change
