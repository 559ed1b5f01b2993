"""Means over seeds with Student's interval, and over seed pairs with bootstrap intervals."""

from __future__ import annotations

import math
from collections.abc import Iterator, Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from symscape.stopping import safe_point

RESAMPLES = 10_000
BLOCK = 4_000_000
"""Weights of pairs in memory at once: 10,000 draws of 10,000 pairs are 0.8 GB."""
_TAILS = (2.5, 97.5)  # percent: a 95 % interval


@dataclass(frozen=True)
class Interval:
    """A mean, its 95 % interval (None where it cannot be had), and n."""

    mean: float
    low: float | None
    high: float | None
    n: int

    @property
    def cells(self) -> dict[str, float | int | str]:
        """Mean, ends and n as cells of a table, empty where there is no interval."""
        low, high = ("" if end is None else end for end in (self.low, self.high))
        return {"mean": self.mean, "low": low, "high": high, "n": self.n}


def mean_interval(values: Sequence[float]) -> Interval:
    """Return the mean of n independent values, as of seeds, with Student's 95 % interval.

    mean +- t(0.975, n - 1) s / sqrt(n), of normal values (Student 1908). With 3 seeds t is 4.3: the
    interval is wide, and right; one from drawing again among 3 values holds the mean in about 3 of
    4 cases only. One value has no interval.
    """
    data = np.asarray(values, dtype=float)
    mean, n = float(data.mean()), len(data)
    if n < 2:
        return Interval(mean, None, None, n)
    from scipy.special import stdtrit  # Half a second, which those who need no mean do not wait.

    half = float(stdtrit(n - 1, 0.975) * data.std(ddof=1) / math.sqrt(n))
    return Interval(mean, mean - half, mean + half, n)


def pairs_intervals(
    pairs: Sequence[tuple[str, str]], values: NDArray[np.float64], seed: int = 0
) -> list[Interval]:
    """Return the mean over pairs of runs of each of K numbers, with its 95 % bootstrap interval.

    Pairs that share a run are not independent, so runs are drawn, not pairs: each pair counts as
    often as both its runs were drawn. Where the two sides are the same kind of run they are drawn
    together, and a run is not paired with itself; a draw of one run alone is left out. With few
    runs the interval is too narrow, as every bootstrap's; a side of one run alone has none.

    Args:
        pairs: the P pairs; sides of different kinds share no run.
        values: (P, K).
        seed: of the draws.
    """
    safe_point()
    means = values.mean(0)
    left, right = ({pair[side] for pair in pairs} for side in (0, 1))
    if len(pairs) < 2 or (not left & right and min(len(left), len(right)) < 2):
        return [Interval(float(mean), None, None, len(pairs)) for mean in means]
    blocks = _weights(pairs, np.random.default_rng(seed))
    draws = np.concatenate([w @ values / w.sum(1, keepdims=True) for w in blocks])
    low, high = np.percentile(draws, _TAILS, axis=0)
    return [
        Interval(float(m), float(a), float(b), len(pairs))
        for m, a, b in zip(means, low, high, strict=True)
    ]


def _weights(
    pairs: Sequence[tuple[str, str]], generator: np.random.Generator
) -> Iterator[NDArray[np.float64]]:
    """Yield how often each pair counts in each draw, (draws, P), draws of no pair left out."""
    left, right = sorted({a for a, _ in pairs}), sorted({b for _, b in pairs})
    if set(left) & set(right):
        left = right = sorted({*left, *right})
        first = second = _counts(generator, len(left))
    else:
        first, second = _counts(generator, len(left)), _counts(generator, len(right))
    rows = [left.index(a) for a, _ in pairs]
    columns = [right.index(b) for _, b in pairs]
    step = max(1, BLOCK // len(pairs))
    for i in range(0, RESAMPLES, step):
        weights = first[i : i + step, rows] * second[i : i + step, columns]
        yield weights[weights.any(1)]


def _counts(generator: np.random.Generator, runs: int) -> NDArray[np.float64]:
    """Return how often each run is drawn, (RESAMPLES, runs)."""
    return generator.multinomial(runs, [1 / runs] * runs, size=RESAMPLES).astype(np.float64)
