"""Reading the tables of an interpolation into what the figures take."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from symscape.plots.read.runs import naming, table

SETTINGS = (
    *("align", "bn", "points", "transform", "align_images", "restarts"),
    *("train_images", "test_images", "statistics_images", "precision"),
)
"""Columns of summary.csv that say how barriers were measured; `at` says where."""


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
    low: float = math.nan
    high: float = math.nan
    """nan: one pair has no interval."""
    name_a: str = ""
    name_b: str = ""
    level: float = math.nan
    """Train loss at or below which both ends are; nan: the ends of training."""
    others: tuple[str, ...] = ()
    """All other settings."""


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
    path: str = "line"


@dataclass(frozen=True)
class PairBarrier:
    """One row of barriers.csv: a barrier between two runs, each a kind's name and a seed."""

    settings: str
    align: str
    bn: str
    a: tuple[str, int]
    b: tuple[str, int]
    split: str
    metric: str
    definition: str
    value: float


def read_pairs(path: Path) -> list[PairBarrier]:
    """Return the rows of barriers.csv."""
    texts = ("settings", "align", "bn", "split", "metric", "definition")
    sides = ("name_a", "seed_a", "name_b", "seed_b")

    def parse(cells: dict[str, str]) -> PairBarrier:
        a, b = ((cells[f"name_{side}"], int(cells[f"seed_{side}"])) for side in "ab")
        value = float(cells["value"] or "nan")
        return PairBarrier(a=a, b=b, value=value, **{key: cells[key] for key in texts})

    with naming(path):
        return table(path, (*texts, *sides, "value"), parse)


def read_means(path: Path, column: str = "mean") -> list[MeanBarrier]:
    """Return the rows of summary.csv, with the means in a column."""
    needed = ("settings", "label_a", "label_b", "split", "metric", "definition", column, "n")
    with naming(path):
        return table(path, needed, lambda cells: _mean(cells, column))


def _mean(cells: dict[str, str], column: str) -> MeanBarrier:
    return MeanBarrier(
        settings=cells["settings"],
        a=cells["label_a"],
        b=cells["label_b"],
        split=cells["split"],
        metric=cells["metric"],
        definition=cells["definition"],
        mean=float(cells[column]),
        count=int(cells["n"]),
        low=float(cells.get("low") or "nan"),
        high=float(cells.get("high") or "nan"),
        name_a=cells.get("name_a", ""),
        name_b=cells.get("name_b", ""),
        level=float(cells.get("at", "").partition("loss:")[2] or "nan"),
        others=tuple(cells.get(key, "") for key in SETTINGS),
    )


def by_level(means: Sequence[MeanBarrier]) -> list[list[MeanBarrier]]:
    """Return barriers at several train losses, those of otherwise equal settings together.

    The highest loss comes first. What is known at one loss alone, or at the ends, is left out.
    """
    groups: dict[tuple[str, ...], list[MeanBarrier]] = {}
    for mean in means:
        if math.isfinite(mean.level):
            groups.setdefault(mean.others, []).append(mean)
    return [
        sorted(group, key=lambda mean: -mean.level)
        for group in groups.values()
        if len({mean.level for mean in group}) > 1
    ]


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
        path=cells.get("path", "line"),
    )
