"""The permutation groups of a network: of our own written down, of all others derived."""

from __future__ import annotations

from torch import Tensor, nn

from symscape.models.permutations.derive import derived_groups
from symscape.models.permutations.spec import PermutationSpec
from symscape.models.permutations.written import written_groups


def permutation_spec(network: nn.Module, example: Tensor | None = None) -> PermutationSpec:
    """Return the permutation groups of a network.

    Args:
        network: in eval mode.
        example: a batch of 2 images (2, C, H, W) that it takes; our own ResNets need none.

    Raises:
        TypeError: the groups must be derived, and there is no example.
    """
    written = written_groups(network)
    if written is not None:
        return written
    if example is None:
        kind = type(network).__name__
        raise TypeError(
            f"{kind}: its permutation groups are derived from an example, give 2 images"
        )
    return derived_groups(network, example)
