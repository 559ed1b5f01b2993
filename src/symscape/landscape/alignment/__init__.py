"""Bringing the channels of one network into the order of another's, by what they do or weigh."""

from symscape.landscape.alignment.activations import match_activations
from symscape.landscape.alignment.permutation import (
    AlignmentError,
    check_same_function,
    moved_share,
    permute_state,
)
from symscape.landscape.alignment.weights import match_weights

__all__ = [
    "AlignmentError",
    "check_same_function",
    "match_activations",
    "match_weights",
    "moved_share",
    "permute_state",
]
