"""Permuting hidden channels: the function of a network stays what it is."""

from __future__ import annotations

from collections.abc import Mapping

import torch
from scipy.optimize import linear_sum_assignment
from torch import Tensor, nn

from symscape.models.permutations import Axis, PermutationSpec

State = Mapping[str, Tensor]
Permutations = Mapping[str, Tensor]
"""For each group an int64 tensor: entry i is the old place of the channel that moves to place i."""


class AlignmentError(ValueError):
    """The permuted network is not the same function: its permutation groups must be wrong."""


def permute_state(state: State, spec: PermutationSpec, permutations: Permutations) -> State:
    """Return a state dict whose channels are permuted along every axis that has them."""
    moved = dict(state)
    for name, axes in spec.axes.items():
        for dim, axis in enumerate(axes):
            if axis:
                order = axis_order(spec, axis, permutations).to(moved[name].device)
                moved[name] = moved[name].index_select(dim, order)
    return moved


def axis_order(spec: PermutationSpec, axis: Axis, permutations: Permutations) -> Tensor:
    """Return the order of all channels along an axis, int64."""
    return torch.cat([permutations[group] + at.start for group, at in spec.slices(axis)])


def identity_permutations(spec: PermutationSpec) -> dict[str, Tensor]:
    """Return the permutations that move nothing."""
    return {group: torch.arange(size) for group, size in spec.sizes.items()}


def random_permutations(spec: PermutationSpec, generator: torch.Generator) -> dict[str, Tensor]:
    """Return a random permutation of each group."""
    return {g: torch.randperm(size, generator=generator) for g, size in spec.sizes.items()}


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
