"""What a curve between two networks comes to in one number."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

DEFINITIONS = ("chord", "midmean", "max")


def barriers(alphas: Sequence[float], values: Sequence[float]) -> dict[str, float]:
    """Return a curve's barriers by each definition.

    chord: the largest height above the straight line between the end values, >= 0; midmean: the
    largest value less the mean of the end values; max: the largest value, as it is.
    |midmean - chord| <= |difference of the end values| / 2.

    Args:
        alphas: (P,) from 0 to 1.
        values: (P,) losses or errors.
    """
    at, curve = np.asarray(alphas, dtype=float), np.asarray(values, dtype=float)
    chord = (1 - at) * curve[0] + at * curve[-1]
    return {
        "chord": max(0.0, float(np.max(curve - chord))),
        "midmean": float(np.max(curve) - (curve[0] + curve[-1]) / 2),
        "max": float(np.max(curve)),
    }


def largest_rise(values: Sequence[float]) -> float:
    """Return the largest rise of a curve above its minimum so far; 0 where it never rises.

    Goodfellow et al. 2015 look for such bumps on the line from initial to final weights; this size
    of them: Lucas et al. 2021, "On monotonic linear interpolation of neural network parameters".
    """
    curve = np.asarray(values, dtype=float)
    return float(np.max(curve - np.minimum.accumulate(curve)))
