"""How a number changes along ordered groups of runs, with an interval of 95 % over runs.

A contrast is a weighted sum of means over cells: a cell is one kind of runs, or the pairs between
two kinds. Cells of a group share its weight, so that a kind with more runs counts no more.
"""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from symscape.landscape.intervals import Interval
from symscape.stopping import safe_point

Key = tuple[str, int]
"""A run: the name of its kind, and its seed."""
RESAMPLES = 4_000
MOST_RUNS = 1_000
"""Runs a kind, beyond which `runs_needed` says that no study will decide."""


@dataclass(frozen=True)
class Cell:
    """The pairs between two kinds of runs, or of two runs of one kind, and a number of each."""

    a: str
    b: str
    values: Mapping[tuple[Key, Key], float]
    """By the runs: one of kind `a`, then one of kind `b`."""


def slope_weights(groups: int) -> list[float]:
    """Return by what factors means of ordered groups sum to their least-squares slope a step.

    Of two groups that is the second mean minus the first.

    >>> slope_weights(3)
    [-0.5, 0.0, 0.5]
    """
    places = [i - (groups - 1) / 2 for i in range(groups)]
    total = sum(place**2 for place in places)
    return [place / total for place in places]


def contrast_of_means(groups: Sequence[Sequence[Sequence[float]]]) -> Interval:
    """Return the slope of the means of ordered groups, each a list of kinds of runs.

    Student's interval without equal variances: the error is sqrt(sum w^2 s^2 / n) over kinds, its
    degrees of freedom those of Welch (1947) and Satterthwaite (1946). A kind of one run has no s,
    so there is no interval. n is that of the smallest kind.

    Args:
        groups: in the order of the claim; of each the numbers of each of its kinds.
    """
    kinds = [
        (weight / len(group), np.asarray(values, float))
        for weight, group in zip(slope_weights(len(groups)), groups, strict=True)
        for values in group
    ]
    value = float(sum(w * data.mean() for w, data in kinds))
    n = min(len(data) for _, data in kinds)
    if n < 2:
        return Interval(value, None, None, n)
    from scipy.special import stdtrit  # Half a second, which those who need no mean do not wait.

    parts = [(w * w * data.var(ddof=1) / len(data), len(data) - 1) for w, data in kinds]
    variance = float(sum(part for part, _ in parts))
    spread = float(sum(part**2 / degrees for part, degrees in parts))
    degrees = variance**2 / spread if spread > 0 else 1.0
    half = float(stdtrit(degrees, 0.975)) * math.sqrt(variance)
    return Interval(value, value - half, value + half, n)


def contrast_of_pairs(groups: Sequence[Sequence[Cell]], seed: int = 0) -> Interval:
    """Return the slope of the means of ordered groups of pairs, with an interval over runs.

    Pairs that share a run are not independent: so runs are drawn, within each kind, and a run that
    is in several pairs, cells or groups counts in all of them as often as it was drawn. (Owen 2007
    calls it the pigeonhole bootstrap: of noise that is a pair's own it makes too much, of a run's
    own what is right.) The interval is the value -+ t(0.975, n - 1) sqrt(n / (n - 1)) times the
    spread of the draws, n the runs of the smallest kind: Student's, where each number is the sum
    of what its two runs bring. Percentiles of the draws would be too narrow for five runs.

    A draw that leaves a cell without pairs is left out. Cost: RESAMPLES times the pairs.

    Args:
        groups: in the order of the claim; of each the cells.
        seed: of the draws.
    """
    safe_point()
    runs = _runs_of([cell for group in groups for cell in group])
    n = min(map(len, runs.values()))
    weights = slope_weights(len(groups))
    cells = [(w / len(g), c) for w, g in zip(weights, groups, strict=True) for c in g]
    value = float(sum(w * np.mean(list(cell.values.values())) for w, cell in cells))
    if n < 2:
        return Interval(value, None, None, n)
    generator = np.random.default_rng(seed)
    counts = {kind: _counts(generator, len(members)) for kind, members in sorted(runs.items())}
    draws = np.sum([w * _drawn(cell, runs, counts) for w, cell in cells], axis=0)
    draws = draws[np.isfinite(draws)]
    if len(draws) < 2:
        return Interval(value, None, None, n)
    half = _student(n) * math.sqrt(n / (n - 1)) * float(draws.std(ddof=1))
    return Interval(value, value - half, value + half, n)


def _student(n: int) -> float:
    from scipy.special import stdtrit

    return float(stdtrit(n - 1, 0.975))


def _runs_of(cells: Sequence[Cell]) -> dict[str, list[Key]]:
    """Return the runs that are in some pair, by kind, in order."""
    found: dict[str, set[Key]] = {}
    for cell in cells:
        for a, b in cell.values:
            found.setdefault(cell.a, set()).add(a)
            found.setdefault(cell.b, set()).add(b)
    return {kind: sorted(members) for kind, members in found.items()}


def _counts(generator: np.random.Generator, runs: int) -> NDArray[np.float64]:
    """Return how often each run is drawn, (RESAMPLES, runs)."""
    return generator.multinomial(runs, [1 / runs] * runs, size=RESAMPLES).astype(np.float64)


def _drawn(
    cell: Cell, runs: Mapping[str, list[Key]], counts: Mapping[str, NDArray[np.float64]]
) -> NDArray[np.float64]:
    """Return the mean of a cell in each draw, (RESAMPLES,); NaN where no pair of it was drawn."""
    rows = {run: i for i, run in enumerate(runs[cell.a])}
    columns = {run: i for i, run in enumerate(runs[cell.b])}
    values, there = np.zeros((2, len(rows), len(columns)))
    for (a, b), value in cell.values.items():
        values[rows[a], columns[b]], there[rows[a], columns[b]] = value, 1.0
    first, second = counts[cell.a], counts[cell.b]
    with np.errstate(invalid="ignore"):
        means: NDArray[np.float64] = (first @ values * second).sum(1) / (
            first @ there * second
        ).sum(1)
    return means


def runs_needed(found: Interval) -> int | None:
    """Return how many runs a kind would decide, were the value and the spread to stay.

    The half-width falls as t(n - 1) / sqrt(n). None: more than MOST_RUNS, or it cannot be said.
    """
    if found.low is None or found.high is None or not found.mean or found.low == found.high:
        return None
    from scipy.special import stdtrit

    counts = np.arange(2, MOST_RUNS + 1)
    widths = stdtrit(counts - 1, 0.975) / np.sqrt(counts)
    half = (found.high - found.low) / 2
    enough = half * widths / (_student(found.n) / math.sqrt(found.n)) < abs(found.mean)
    return int(counts[enough][0]) if enough.any() else None
