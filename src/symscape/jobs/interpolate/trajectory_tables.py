"""From trajectories to tables: a row a number, and means over seeds with intervals."""

from __future__ import annotations

import math
from collections.abc import Sequence
from pathlib import Path

from rich import box
from rich.table import Table

from symscape.jobs.analysis.labels import by_kind, labels_of
from symscape.jobs.console import shown
from symscape.landscape.intervals import mean_interval
from symscape.runs.results import TrajectoryResult
from symscape.runs.tables import Row, Value, write_rows


def write_tables(table: Path, summary: Path, results: Sequence[TrajectoryResult]) -> None:
    """Write a row a number of a run, and a row a mean over seeds."""
    write_rows(table, [row for result in results for row in _rows(result)])
    write_rows(summary, _means(results))


def numbers_of(result: TrajectoryResult) -> dict[str, float]:
    """Return what a path comes to; what is not a number is nan."""
    path = result.path
    shares = path["shares"]
    numbers = {key: path[key] for key in ("path_length", "displacement", "ratio")}
    numbers |= {"share_1": shares[0], "share_2": shares[1]}
    numbers |= {f"rise/{s}/{m}": v for s, each in result.rise.items() for m, v in each.items()}
    return {key: math.nan if value is None else float(value) for key, value in numbers.items()}


def _rows(result: TrajectoryResult) -> list[Row]:
    """Return a row a number of a run."""
    run = result.run
    about: dict[str, Value] = {
        "name": run.name,
        "symmetry": run.symmetry,
        "augment": run.augment,
        "seed": run.seed,
        "bn": str(result.settings["bn"]),
    }
    return [{**about, "number": k, "value": v} for k, v in numbers_of(result).items()]


def _means(results: Sequence[TrajectoryResult]) -> list[Row]:
    """Return a row a mean over seeds."""
    labels = labels_of([result.run for result in results])
    rows: list[Row] = []
    for name in labels:
        numbers = [numbers_of(result) for result in results if result.run.name == name]
        for key in numbers[0]:
            found = mean_interval([each[key] for each in numbers])
            about: dict[str, Value] = {"label": labels[name], "name": name, "number": key}
            rows.append({**about, **found.cells})
    return rows


def table_of(results: Sequence[TrajectoryResult]) -> Table:
    """Return the means over seeds of what a path comes to."""
    title = "path of the training, and the line from start to end: mean [95 %] over seeds"
    table = Table(title=title, title_justify="left", box=box.SIMPLE_HEAD, pad_edge=False)
    names = ("runs", "rise (train)", "path / displacement", "share of 2 components", "n")
    for i, name in enumerate(names):
        table.add_column(name, justify="right" if i else "left")
    labels = labels_of([result.run for result in results])
    for name, members in by_kind(results).items():
        columns = (
            [r.rise["train"]["loss"] for r in members],
            [r.path["ratio"] for r in members],
            [sum(r.path["shares"]) for r in members if None not in r.path["shares"]],
        )
        table.add_row(labels[name], *map(_shown, columns), str(len(members)))
    return table


def _shown(values: list[float | None]) -> str:
    kept = [value for value in values if value is not None]
    return shown(mean_interval(kept)) if kept else "-"
