"""Which hidden channels of a network may change places together."""

from symscape.models.permutations.find import permutation_spec
from symscape.models.permutations.spec import PermutationSpec, Slot, Tap

__all__ = ["PermutationSpec", "Slot", "Tap", "permutation_spec"]
