"""Means over seeds and seed pairs, with bootstrap intervals."""

from __future__ import annotations

from collections.abc import Hashable, Mapping, Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

RESAMPLES = 10_000
LEVEL = 0.95


@dataclass(frozen=True)
class Interval:
    """A mean, its percentile bootstrap interval (None where it cannot be had), and n."""

    mean: float
    low: float | None
    high: float | None
    n: int


def mean_interval(values: Sequence[float], seed: int = 0) -> Interval:
    """Return the mean of independent values with its 95 % bootstrap interval."""
    data = np.asarray(values, dtype=float)
    if len(data) < 2:
        return Interval(float(data.mean()), None, None, len(data))
    draws = np.random.default_rng(seed).integers(len(data), size=(RESAMPLES, len(data)))
    return _interval(data, data[draws].mean(1))


def pairs_interval(values: Mapping[tuple[Hashable, Hashable], float], seed: int = 0) -> Interval:
    """Return the mean over pairs of runs with its 95 % bootstrap interval.

    Pairs that share a run are not independent, so runs are drawn, not pairs: each pair counts as
    often as both its runs were drawn. Where the two sides are the same kind of run they are drawn
    together, and a run is not paired with itself; a draw of one run alone is left out. With few
    runs the interval is too narrow, as every bootstrap's.

    Args:
        values: a value for each pair of runs; sides of different kinds share no run.
        seed: of the draws.
    """
    data = np.fromiter(values.values(), dtype=float)
    left = sorted({a for a, _ in values}, key=str)
    right = sorted({b for _, b in values}, key=str)
    if len(data) < 2:
        return Interval(float(data.mean()), None, None, len(data))
    generator = np.random.default_rng(seed)
    if set(left) & set(right):
        runs = sorted({*left, *right}, key=str)
        counts = _counts(generator, len(runs))
        at = {run: i for i, run in enumerate(runs)}
        weights = [counts[:, at[a]] * counts[:, at[b]] for a, b in values]
    else:
        counts_left, counts_right = _counts(generator, len(left)), _counts(generator, len(right))
        weights = [
            counts_left[:, left.index(a)] * counts_right[:, right.index(b)] for a, b in values
        ]
    matrix = np.stack(weights, axis=1).astype(float)
    kept = matrix[matrix.sum(1) > 0]
    return _interval(data, kept @ data / kept.sum(1))


def _counts(generator: np.random.Generator, runs: int) -> NDArray[np.int64]:
    """Return how often each run is drawn, (RESAMPLES, runs)."""
    return generator.multinomial(runs, [1 / runs] * runs, size=RESAMPLES)


def _interval(data: NDArray[np.float64], means: NDArray[np.float64]) -> Interval:
    tail = 100 * (1 - LEVEL) / 2
    low, high = np.percentile(means, [tail, 100 - tail])
    return Interval(float(data.mean()), float(low), float(high), len(data))
