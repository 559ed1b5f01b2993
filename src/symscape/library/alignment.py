"""The channels of one network, brought into the order of another's."""

from __future__ import annotations

from dataclasses import dataclass

from torch import Tensor, nn

from symscape.errors import SymscapeError, check_choice
from symscape.landscape.alignment import (
    check_same_function,
    match_activations,
    match_weights,
    moved_share,
    permute_state,
)
from symscape.landscape.evaluation import State
from symscape.library.inputs import batches, plain_network, plain_state
from symscape.models.permutations import PermutationSpec, permutation_spec

METHODS = ("activations", "weights")
GUARD_IMAGES = 64
"""On which the permuted network is held against what it was."""


@dataclass(frozen=True)
class Alignment:
    """How the channels of `right` go onto those of `left`."""

    state: dict[str, Tensor]
    """The effective state dict of `right`, its channels in the order of `left`'s."""
    permutations: dict[str, Tensor]
    """By group of channels, int64: entry i is the old place of what moves to place i."""
    similarity: float
    """Of what was matched: the mean correlation of channels, or the cosine of the weights."""
    coverage: float
    """Of all places of hidden channels: those that may move at all."""
    moved_share: float
    """Of all channels: those that change places."""
    largest_logit_change: float
    """By permuting, relative to the largest logit: rounding, for the function stays the same."""


def align(
    network: nn.Module,
    left: State,
    right: State,
    images: Tensor,
    *,
    method: str = "activations",
    restarts: int = 8,
    seed: int = 0,
    batch_size: int = 100,
) -> Alignment:
    """Return right's state dict with its hidden channels permuted onto left's.

    What may move together is derived from the network's graph (`torch.export`), once a call; of our
    own ResNets it is written down.

    Cost: `activations`: a forward pass of both over the images; `weights`: no images, but the
    (2 + restarts) starts of a coordinate ascent.

    Args:
        network: maps images to logits; it is left as it is.
        left: its state dict, or that of its effective network.
        right: another one; it is left as it is.
        images: (N, C, H, W), normalised; a few dozen will do for `weights`.
        method: activations (channels that respond alike) or weights (kernels that are alike).
        restarts: of `weights`: random starts.
        seed: of `weights`: of these starts.
        batch_size: of `activations`: images at once.

    Raises:
        SymscapeError: a state dict is of another network, nothing in it may be permuted, it cannot
            be traced, or the permuted network is another function.

    Examples:
        Whatever order its channels are in, a network is the same function, and is found again:

        >>> import torch
        >>> from torch import nn
        >>> network = nn.Sequential(
        ...     nn.Conv2d(3, 4, 3), nn.ReLU(), nn.Flatten(), nn.Linear(4 * 6 * 6, 5)
        ... )
        >>> left, order = network.state_dict(), torch.tensor([2, 0, 3, 1])
        >>> right = {
        ...     "0.weight": left["0.weight"][order],
        ...     "0.bias": left["0.bias"][order],
        ...     "3.weight": left["3.weight"].view(5, 4, 36)[:, order].flatten(1),
        ...     "3.bias": left["3.bias"],
        ... }
        >>> found = align(network, left, right, torch.randn(50, 3, 8, 8))
        >>> all(torch.equal(found.state[name], tensor) for name, tensor in left.items())
        True
    """
    check_choice("method", method, METHODS)
    ends = plain_state(network, left, "left"), plain_state(network, right, "right")
    plain = plain_network(network)
    shown = batches(plain, images, size=batch_size)
    spec = _groups(plain, images)
    if method == "weights":
        permutations, similarity = match_weights(*ends, spec, restarts=restarts, seed=seed)
    else:
        twin = plain_network(network)
        plain.load_state_dict(ends[0])
        twin.load_state_dict(ends[1])
        permutations, similarity = match_activations(plain, twin, spec, shown)
    moved = permute_state(ends[1], spec, permutations)
    few = next(iter(batches(plain, images, size=GUARD_IMAGES)))[0]
    try:
        change = check_same_function(plain, ends[1], moved, few)
    except ValueError as error:
        raise SymscapeError(f"align: {error}") from error
    share = moved_share(permutations)
    return Alignment(dict(moved), permutations, similarity, spec.coverage, share, change)


def _groups(network: nn.Module, images: Tensor) -> PermutationSpec:
    example = next(iter(batches(network, images[[0, -1]])))[0]
    spec = permutation_spec(network, example)
    if not spec.sizes:
        why = spec.describe_held() or "it has no hidden channels"
        raise SymscapeError(f"align: no channels may move: {why}")
    return spec
