"""Curvature, and the symmetry of kernels, at equal train loss: between kept weights of trainings.

A network that fits less is flatter for that alone. At one train loss networks can be compared; how
far each training has come by then, and its learning rate there, still differ, and are said.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass
from itertools import pairwise
from pathlib import Path
from typing import Any

from rich import box
from rich.table import Table

from symscape.jobs.analysis.labels import by_kind, labels_of
from symscape.jobs.console import shown
from symscape.jobs.sharpness.tables import numbers_of
from symscape.landscape.intervals import Interval, mean_interval
from symscape.runs.results import SharpnessResult
from symscape.runs.tables import Row, write_rows

LEVELS = 8
SYMMETRY = "kernels/-/symmetry"
"""S of the kernels (all of D4, mean over layers), beside the names of `Number`."""
FILE = "matched.csv"
COLUMNS = (
    *("label", "name", "loss", "step", "learning_rate", "subspace", "scaling", "quantity"),
    *("mean", "low", "high", "n"),
)


@dataclass(frozen=True)
class Matched:
    """The mean over a kind's runs of one quantity at one train loss."""

    kind: str
    loss: float
    name: str
    """Subspace, scaling and quantity."""
    interval: Interval
    step: float
    """Mean optimiser step at which the runs pass this loss."""
    learning_rate: float
    """Mean of theirs."""


def levels_of(results: Sequence[SharpnessResult]) -> list[float]:
    """Return train losses that every training passes, the lowest first; none if there is none.

    They are spread evenly from the highest of the lowest losses to the lowest of the first ones,
    and rounded up to two digits, so that nothing is extrapolated.
    """
    low = max(min(point["loss"] for point in result.points) for result in results)
    high = min(result.points[0]["loss"] for result in results)
    if not 0 < low < high:
        return []
    spread = (low + (high - low) * i / LEVELS for i in range(LEVELS))
    return sorted({level for level in map(_rounded_up, spread) if low <= level < high})


def _rounded_up(value: float) -> float:
    unit = 10.0 ** (math.floor(math.log10(value)) - 1)
    return round(math.ceil(value / unit * (1 - 1e-12)) * unit, 12)


def at_loss(points: Sequence[dict[str, Any]], level: float) -> dict[str, float] | None:
    """Return the numbers of a training where its train loss first comes down to `level`.

    Linear in the loss between the kept weights before and after. None where the training never
    passes it: nothing is extrapolated.
    """
    for before, after in pairwise(points):
        if before["loss"] > level >= after["loss"]:
            share = (before["loss"] - level) / (before["loss"] - after["loss"])
            left, right = _numbers(before), _numbers(after)
            return {k: (1 - share) * left[k] + share * right[k] for k in left if k in right}
    return None


def _numbers(point: dict[str, Any]) -> dict[str, float]:
    numbers = {n.name: n.value for n in numbers_of(point)}
    numbers |= {key: point[key] for key in ("step", "learning_rate")}
    if point.get("symmetry") is not None:  # Results of earlier versions have none.
        numbers[SYMMETRY] = point["symmetry"]
    return numbers


def matched(results: Sequence[SharpnessResult]) -> list[Matched]:
    """Return every quantity of every kind at every common train loss."""
    found = []
    for level in levels_of(results):
        for kind, members in by_kind(results).items():
            passed = [n for r in members if (n := at_loss(r.points, level)) is not None]
            steps, rates = (_mean(passed, key) for key in ("step", "learning_rate"))
            for name in dict.fromkeys(name for numbers in passed for name in numbers):
                values = [numbers[name] for numbers in passed if name in numbers]
                if "/" in name and all(map(math.isfinite, values)):
                    found.append(Matched(kind, level, name, mean_interval(values), steps, rates))
    return found


def _mean(rows: Sequence[dict[str, float]], key: str) -> float:
    return sum(row[key] for row in rows) / len(rows)


def write_matched(folder: Path, results: Sequence[SharpnessResult]) -> None:
    """Write `matched.csv`: a row a quantity of a kind at a train loss."""
    labels = labels_of([result.run for result in results])
    rows = [_row(labels[each.kind], each) for each in matched(results)]
    write_rows(folder / FILE, rows, COLUMNS)


def _row(label: str, each: Matched) -> Row:
    subspace, scaling, quantity = each.name.split("/", 2)
    interval = each.interval
    return {
        "label": label,
        "name": each.kind,
        "loss": each.loss,
        "step": each.step,
        "learning_rate": each.learning_rate,
        "subspace": subspace,
        "scaling": scaling,
        "quantity": quantity,
        **interval.cells,
    }


def matched_table(results: Sequence[SharpnessResult]) -> Table | str:
    """Return the quantities at the lowest common train loss, or why there is none."""
    rows = matched(results)
    if not rows:
        return "no train loss that all of these trainings pass: none to compare them at"
    level = rows[0].loss
    title = f"at train loss {level:g}, first time: mean [95 %]; learning rates differ"
    table = Table(title=title, title_justify="left", box=box.SIMPLE_HEAD, pad_edge=False)
    for i, column in enumerate(("runs", "measure", "mean [95 %]", "step", "learning rate", "n")):
        table.add_column(column, justify="right" if i > 1 else "left")
    labels = labels_of([result.run for result in results])
    lowest = [row for row in rows if row.loss == level]
    for name in dict.fromkeys(row.name for row in lowest):
        if name.split("/", 2)[2] not in ("eigenvalue_1", "trace", "symmetry"):
            continue
        for row in lowest:
            if row.name == name:
                rate, n = f"{row.learning_rate:.3g}", str(row.interval.n)
                cells = (shown(row.interval), f"{row.step:.0f}", rate, n)
                table.add_row(labels[row.kind], name.replace("/-/", "/"), *cells)
    return table
