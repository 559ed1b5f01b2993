"""From paths to tables: what is said of lines, and the line's number beside each."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from pathlib import Path

from rich import box
from rich.table import Table

from symscape.jobs.console import shown
from symscape.jobs.interpolate.tables import (
    Cell,
    barrier_figures,
    cell_labels,
    cells_of,
    means_of,
    points_of,
    rows_of,
)
from symscape.runs.results import PathResult
from symscape.runs.tables import Row, write_rows


def write_tables(folder: Path, results: Sequence[PathResult]) -> None:
    """Write the tables of all pairs of the same settings.

    `barriers.csv`: a row a number of a pair, `line` being that of the straight line; `summary.csv`:
    a row a mean over seed pairs, `line_mean`, `line_low` and `line_high` beside; `paths.csv`: a
    row a point of a mean curve, along the `path` and along the line.
    """
    pairs = _both(results)
    labels = cell_labels([path for path, _ in pairs])
    write_rows(folder / "barriers.csv", [row for r in results for row in _rows(folder, r)])
    write_rows(folder / "summary.csv", [row for p in pairs for row in _means(folder, p, labels)])
    points = [
        {"path": name, **row}
        for path, line in pairs
        for name, cell in ((str(path.results[0].settings["path"]), path), ("line", line))
        for row in points_of(cell, labels)
    ]
    write_rows(folder / "paths.csv", points)


def _both(results: Iterable[PathResult]) -> list[tuple[Cell, Cell]]:
    """Return each cell of paths with that of the lines between the same networks."""
    results = list(results)
    lines = cells_of([result.straight() for result in results])
    return list(zip(cells_of(results), lines, strict=True))


def _rows(folder: Path, result: PathResult) -> Iterator[Row]:
    about = {"path": str(result.settings["path"]), "coordinates": result.training["coordinates"]}
    lines = rows_of(folder, result.straight())
    for row, line in zip(rows_of(folder, result), lines, strict=True):
        yield {**about, **row, "line": line["value"], "bend": result.training["bend"]}


def _means(folder: Path, both: tuple[Cell, Cell], labels: dict[str, str]) -> Iterator[Row]:
    path, line = (means_of(folder, cell, labels) for cell in both)
    about = {"path": str(both[0].results[0].settings["path"])}
    for row, beside in zip(path, line, strict=True):
        yield {**about, **row, **{f"line_{key}": beside[key] for key in ("mean", "low", "high")}}


def table_of(title: str, results: Sequence[PathResult]) -> Table:
    """Return the mean barrier of every cell and that of its line, with intervals and n."""
    table = Table(title=title, title_justify="left", box=box.SIMPLE_HEAD, pad_edge=False)
    pairs = _both(results)
    labels = cell_labels([path for path, _ in pairs])
    splits = list(results[0].curves)
    for name in ("a", "b"):
        table.add_column(name)
    for name in [*splits, *(f"line, {split}" for split in splits)]:
        table.add_column(f"{name} [95 %]", justify="right")
    table.add_column("n", justify="right")
    for path, line in pairs:
        barriers = [cell.barriers() for cell in (path, line)]
        intervals = [each[split, "loss", "chord"] for each in barriers for split in splits]
        names = (labels[path.a.name], labels[path.b.name])
        table.add_row(*names, *map(shown, intervals), str(intervals[0].n))
    return table


def path_figures(results: Sequence[PathResult]) -> dict[str, float]:
    """Return the mean barriers of all cells, and those of the lines."""
    lines = barrier_figures([result.straight() for result in results])
    return barrier_figures(results) | {f"line/{key}": value for key, value in lines.items()}
