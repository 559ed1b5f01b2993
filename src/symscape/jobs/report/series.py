"""What the pictures of a report show: means over the runs of a kind, along training or depth."""

from __future__ import annotations

import csv
import math
from collections import defaultdict
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path

from symscape.jobs.summary.means import Kind
from symscape.landscape.intervals import mean_interval
from symscape.plots.page.lines import Points, Series
from symscape.plots.read.barriers import MeanBarrier
from symscape.plots.read.runs import (
    Measurement,
    by_angle,
    naming,
    read_equivariance,
    read_final_symmetry,
    read_metrics,
)
from symscape.plots.read.sharpness import Mean, Single
from symscape.runs.find import Run
from symscape.runs.results import TrajectoryResult

Places = Mapping[str, tuple[str, int]]
"""By the name of a kind its label, and its place in tables, which gives its colour."""


def series_of(label: str, index: int, rows: Sequence[Mapping[float, float]]) -> Series:
    """Return the means over runs at each x that some run has; what is not finite is left out."""
    values: dict[float, list[float]] = defaultdict(list)
    for row in rows:
        for x, value in row.items():
            if math.isfinite(value):
                values[x].append(value)
    places = sorted(values)
    means = [mean_interval(values[x]) for x in places]
    low = [_number(m.low) for m in means]
    high = [_number(m.high) for m in means]
    return Series(label, index, places, [m.mean for m in means], low, high, [m.n for m in means])


def training(kinds: Sequence[Kind], places: Places) -> dict[str, list[Series]]:
    """Return the curves of training by metric."""
    found: dict[str, list[Series]] = defaultdict(list)
    for kind in kinds:
        runs = [rows for run in _done(kind) if (rows := _metrics(run))]
        for metric in dict.fromkeys(key for rows in runs for row in rows for key in row):
            if metric not in ("epoch", "lr"):
                curves = [{r["epoch"]: r[metric] for r in rows if metric in r} for rows in runs]
                found[metric].append(series_of(*places[kind.name], curves))
    return dict(found)


def _done(kind: Kind) -> list[Run]:
    return [run for run in kind.runs if run not in kind.unfinished]


def _metrics(run: Run) -> list[dict[str, float]]:
    path = run.folder / "metrics.csv"
    return read_metrics(path) if path.exists() else []


def depth(kinds: Sequence[Kind], places: Places) -> list[Series]:
    """Return S of every layer at the end of training, against its depth."""
    found = []
    for kind in kinds:
        paths = [run.folder / "symmetry.csv" for run in _done(kind)]
        rows = [
            {float(m.depth): m.value for m in read_final_symmetry(path) if _is_layer(m)}
            for path in paths
            if path.exists()
        ]
        if any(rows):
            found.append(series_of(*places[kind.name], rows))
    return found


def turned(kinds: Sequence[Kind], places: Places, column: str) -> list[Series]:
    """Return a column of equivariance.csv against the angle by which test images are turned."""
    found = []
    for kind in kinds:
        paths = [run.folder / "equivariance.csv" for run in _done(kind)]
        rows = [by_angle(read_equivariance(path), column) for path in paths if path.exists()]
        if any(rows):
            found.append(series_of(*places[kind.name], rows))
    return found


def _is_layer(measurement: Measurement) -> bool:
    return (measurement.kind, measurement.group) == ("layer", "total")


def initial_to_final(
    results: Sequence[TrajectoryResult], places: Places
) -> tuple[list[Series], list[Series]]:
    """Return the train loss on the line from start to end, and each path in its own plane."""
    lines: dict[str, list[dict[float, float]]] = defaultdict(list)
    paths = []
    for result in results:
        name = result.run.name
        if name not in places or "train" not in result.curves:
            continue
        loss = result.curves["train"]["loss"]
        lines[name].append(dict(zip(result.alphas, map(_number, loss), strict=True)))
        if points := result.path.get("coordinates"):
            x, y = zip(*points, strict=True)
            none = [math.nan] * len(x)
            label, index = places[name]
            seed = f"seed={result.run.seed}"
            paths.append(Series(label, index, x, y, none, none, [1] * len(x), seed))
    return [series_of(*places[name], rows) for name, rows in _ordered(lines, places)], paths


def _ordered(
    found: Mapping[str, list[dict[float, float]]], places: Places
) -> list[tuple[str, list[dict[float, float]]]]:
    return sorted(found.items(), key=lambda item: places[item[0]][1])


def _number(value: float | None) -> float:
    return math.nan if value is None else value


def ends(
    singles: Sequence[Single], means: Sequence[Mean], measure: tuple[str, str, str], places: Places
) -> list[Points]:
    """Return a measure of curvature at the end of training, kind by kind."""
    found = []
    for mean in means:
        if (mean.subspace, mean.scaling, mean.quantity) != measure or mean.name not in places:
            continue
        own = [s for s in singles if s.name == mean.name and _measure(s) == measure]
        about = [f"seed={s.seed}" + ("" if s.converged else ", not converged") for s in own]
        values = [s.value for s in own]
        label, index = places[mean.name]
        found.append(Points(label, index, values, about, mean.mean, mean.low, mean.high))
    return sorted(found, key=lambda each: each.index)


def _measure(single: Single) -> tuple[str, str, str]:
    return single.subspace, single.scaling, single.quantity


def at_equal_loss(path: Path, places: Places) -> Iterator[tuple[str, list[Series]]]:
    """Yield each measure of a table of means at equal train loss, a series a kind."""
    with naming(path), path.open(encoding="utf-8", newline="") as file:
        rows = [row for row in csv.DictReader(file) if row["name"] in places]
    measures = {row_name(row): [r for r in rows if row_name(r) == row_name(row)] for row in rows}
    for measure, own in measures.items():
        kinds = {name: [r for r in own if r["name"] == name] for name in places}
        yield measure, [_at_loss(*places[name], each) for name, each in kinds.items() if each]


def barriers_at_loss(means: Sequence[MeanBarrier], places: Places) -> list[Series]:
    """Return the barrier (chord, train loss) of each two kinds against the train loss of the ends.

    Between two kinds a line has the colour of the second, and its name says the first.
    """
    found: dict[tuple[str, str], list[MeanBarrier]] = defaultdict(list)
    for mean in means:
        own = {mean.name_a, mean.name_b} <= places.keys()
        if own and (mean.split, mean.metric, mean.definition) == ("train", "loss", "chord"):
            found[mean.name_a, mean.name_b].append(mean)
    return [
        Series(
            *places[b],
            x=[m.level for m in own],
            mean=[m.mean for m in own],
            low=[m.low for m in own],
            high=[m.high for m in own],
            n=[m.count for m in own],
            name="" if a == b else f"to {places[a][0]}",
        )
        for (a, b), own in found.items()
    ]


def row_name(row: Mapping[str, str]) -> str:
    """Return subspace, scaling and quantity of a row of a table of curvature."""
    return "/".join(row[key] for key in ("subspace", "scaling", "quantity"))


def _at_loss(label: str, index: int, rows: Sequence[Mapping[str, str]]) -> Series:
    x, mean, low, high = (
        [float(row[key] or "nan") for row in rows] for key in ("loss", "mean", "low", "high")
    )
    return Series(label, index, x, mean, low, high, [int(row["n"]) for row in rows])
