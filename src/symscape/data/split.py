"""A fixed order of a data set in which every beginning is a stratified sample.

Data sets are stored in this order, so holding images out is cutting at one place: the parts are
slices that share memory (a mapped file stays mapped), and they depend on the labels alone.
"""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray

# Shuffles within the classes; the same for every run. RandomState's stream is frozen by NumPy.
SPLIT_SEED = 20260101


def class_quantiles(labels: NDArray[Any], rank: NDArray[Any] | None = None) -> NDArray[Any]:
    """Return (r + 1/2) / n for each image: the r-th of the n images of its class, by `rank`."""
    quantiles = np.empty(len(labels))
    for name in np.unique(labels):
        members = np.flatnonzero(labels == name)
        if rank is not None:
            members = members[np.argsort(rank[members], kind="stable")]
        quantiles[members] = (np.arange(len(members)) + 0.5) / len(members)
    return quantiles


def mixed_order(labels: NDArray[Any]) -> NDArray[Any]:
    """Return indices, int64 (N,), that shuffle each class and spread all classes evenly."""
    rank = np.random.RandomState(SPLIT_SEED).permutation(len(labels))
    return np.lexsort((labels, class_quantiles(labels, rank)))


def held_out(labels: NDArray[Any], fraction: float) -> int:
    """Return how many images to cut off the beginning of a set in mixed order.

    Of each class with n images that is n * fraction, rounded (a half goes down).
    """
    return int((class_quantiles(labels) < fraction).sum())
