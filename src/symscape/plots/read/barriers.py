"""Reading the tables of an interpolation into what the figures take."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

from symscape.plots.read.runs import naming, table


@dataclass(frozen=True)
class MeanBarrier:
    """One row of summary.csv."""

    settings: str
    a: str
    b: str
    split: str
    metric: str
    definition: str
    mean: float
    count: int


@dataclass(frozen=True)
class CurvePoint:
    """One row of curves.csv; low and high are nan where one pair has no interval."""

    a: str
    b: str
    split: str
    metric: str
    alpha: float
    mean: float
    low: float
    high: float
    count: int


def read_means(path: Path) -> list[MeanBarrier]:
    """Return the rows of summary.csv."""
    needed = ("settings", "label_a", "label_b", "split", "metric", "definition", "mean", "n")
    with naming(path):
        return table(path, needed, _mean)


def _mean(cells: dict[str, str]) -> MeanBarrier:
    return MeanBarrier(
        settings=cells["settings"],
        a=cells["label_a"],
        b=cells["label_b"],
        split=cells["split"],
        metric=cells["metric"],
        definition=cells["definition"],
        mean=float(cells["mean"]),
        count=int(cells["n"]),
    )


def read_curves(path: Path) -> list[CurvePoint]:
    """Return the rows of curves.csv."""
    with naming(path):
        return table(path, ("label_a", "label_b", "split", "metric", "alpha", "mean"), _point)


def _point(cells: dict[str, str]) -> CurvePoint:
    return CurvePoint(
        a=cells["label_a"],
        b=cells["label_b"],
        split=cells["split"],
        metric=cells["metric"],
        alpha=float(cells["alpha"]),
        mean=float(cells["mean"]),
        low=float(cells["low"] or "nan"),
        high=float(cells["high"] or "nan"),
        count=int(cells["n"]),
    )
