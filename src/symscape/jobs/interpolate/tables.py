"""From pairs to tables: a row a number, and means over seed pairs with intervals."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray
from rich import box
from rich.table import Table

from symscape.jobs.analysis.labels import labels_of
from symscape.jobs.analysis.subjects import Subject
from symscape.jobs.console import shown
from symscape.landscape.intervals import Interval, pairs_intervals
from symscape.runs.identity import kind_order
from symscape.runs.results import PairResult, read_results
from symscape.runs.subjects import Reference
from symscape.runs.tables import Row, Value, write_rows

Number = tuple[str, str, str]
"""Split, metric and definition of a barrier."""


@dataclass(frozen=True)
class Cell:
    """All seed pairs of two kinds of runs; a kind is what is equal but for the seed."""

    a: Reference
    b: Reference
    results: list[PairResult]

    def barriers(self) -> dict[Number, Interval]:
        """Return the mean of every barrier over the seed pairs."""
        numbers = numbers_of(self.results[0])
        rows = [[r.barriers[s][m][d] for s, m, d in numbers] for r in self.results]
        return dict(zip(numbers, pairs_intervals(self._pairs(), np.array(rows)), strict=True))

    def curve(self, split: str, metric: str) -> list[Interval]:
        """Return the mean curve over the seed pairs, from the kind of `a` to that of `b`."""
        rows = []
        for result in self.results:
            values = result.curves[split][metric]
            rows.append(values if result.a.name == self.a.name else values[::-1])
        data: NDArray[np.float64] = np.array(rows)
        return pairs_intervals(self._pairs(), data)

    def _pairs(self) -> list[tuple[str, str]]:
        return [
            (r.a.key, r.b.key) if r.a.name == self.a.name else (r.b.key, r.a.key)
            for r in self.results
        ]


def cells_of(results: Iterable[PairResult]) -> list[Cell]:
    """Group results into cells, in the order of the symmetries."""
    groups: dict[tuple[str, str], list[PairResult]] = defaultdict(list)
    kinds: dict[str, Reference] = {}
    for result in results:
        first, second = sorted((result.a, result.b), key=_order)
        kinds |= {first.name: first, second.name: second}
        groups[first.name, second.name].append(result)
    cells = [Cell(kinds[a], kinds[b], members) for (a, b), members in groups.items()]
    return sorted(cells, key=lambda cell: (_order(cell.a), _order(cell.b)))


def in_order(pair: Sequence[Subject]) -> tuple[Subject, ...]:
    """Return the networks of a pair in the order in which the tables name their kinds."""
    return tuple(sorted(pair, key=lambda subject: _order(subject.reference)))


def _order(run: Reference) -> tuple[Any, ...]:
    return kind_order(run.symmetry), run.augment, run.name


def numbers_of(result: PairResult) -> list[Number]:
    """Return the split, metric and definition of every barrier of a result."""
    return [(s, m, d) for s, ms in result.barriers.items() for m, ds in ms.items() for d in ds]


def cell_labels(cells: Sequence[Cell]) -> dict[str, str]:
    """Return a short label for each kind of run in some cells."""
    return labels_of([run for cell in cells for run in (cell.a, cell.b)])


def write_tables(place: Path) -> None:
    """Write the tables of all pairs of a study.

    `barriers.csv`: a row a number of a pair; `summary.csv`: a row a mean over seed pairs; and in
    each folder of settings `curves.csv`: a row a point of a mean curve.
    """
    rows: list[Row] = []
    means: list[Row] = []
    for folder in sorted(p for p in place.iterdir() if p.is_dir()):
        results = list(read_results(folder, PairResult))
        if not results:
            continue
        cells = cells_of(results)
        rows += [row for result in results for row in rows_of(folder, result)]
        means += [row for cell in cells for row in means_of(folder, cell, cell_labels(cells))]
        points = [row for cell in cells for row in points_of(cell, cell_labels(cells))]
        write_rows(folder / "curves.csv", points)
    write_rows(place / "barriers.csv", rows)
    write_rows(place / "summary.csv", means)


def rows_of(folder: Path, result: PairResult) -> Iterator[Row]:
    """Yield a row a number of a pair."""
    for split, metric, definition in numbers_of(result):
        yield {
            **_settings(folder, result),
            **_kind("a", result.a),
            "seed_a": result.a.seed,
            **_kind("b", result.b),
            "seed_b": result.b.seed,
            "split": split,
            "metric": metric,
            "definition": definition,
            "value": result.barriers[split][metric][definition],
        }


def means_of(folder: Path, cell: Cell, labels: dict[str, str]) -> Iterator[Row]:
    """Yield a row a mean over the seed pairs of a cell."""
    for (split, metric, definition), interval in cell.barriers().items():
        yield {
            **_settings(folder, cell.results[0]),
            "label_a": labels[cell.a.name],
            "label_b": labels[cell.b.name],
            **_kind("a", cell.a),
            **_kind("b", cell.b),
            "split": split,
            "metric": metric,
            "definition": definition,
            **interval.cells,
        }


def points_of(cell: Cell, labels: dict[str, str]) -> Iterator[Row]:
    """Yield a row a point of the mean curves of a cell."""
    first = cell.results[0]
    for split, metrics in first.curves.items():
        for metric in metrics:
            for alpha, interval in zip(first.alphas, cell.curve(split, metric), strict=True):
                yield {
                    "label_a": labels[cell.a.name],
                    "label_b": labels[cell.b.name],
                    "split": split,
                    "metric": metric,
                    "alpha": alpha,
                    **interval.cells,
                }


def _settings(folder: Path, result: PairResult) -> dict[str, Value]:
    shown = ("align", "at", "bn", "points", "transform", "align_images", "restarts")
    settings: dict[str, Value] = {key: str(result.settings.get(key, "")) for key in shown}
    used = result.alignment["images"]
    settings |= {f"{key}_images": used[key] for key in ("train", "test", "statistics")}
    return {"settings": folder.name, **settings, "precision": result.resolved["precision"]}


def _kind(side: str, run: Reference) -> dict[str, Value]:
    return {
        f"name_{side}": run.name,
        f"symmetry_{side}": run.symmetry,
        f"augment_{side}": run.augment,
    }


def table_of(title: str, results: Sequence[PairResult]) -> Table:
    """Return the mean barrier of every cell, with its interval and n."""
    table = Table(title=title, title_justify="left", box=box.SIMPLE_HEAD, pad_edge=False)
    cells = cells_of(results)
    labels = cell_labels(cells)
    splits = list(results[0].curves)
    for name in ("a", "b"):
        table.add_column(name)
    for split in splits:
        table.add_column(f"{split} [95 %]", justify="right")
    table.add_column("n", justify="right")
    for cell in cells:
        barriers = cell.barriers()
        intervals = [barriers[split, "loss", "chord"] for split in splits]
        names = (labels[cell.a.name], labels[cell.b.name])
        table.add_row(*names, *map(shown, intervals), str(intervals[0].n))
    return table


def barrier_figures(results: Sequence[PairResult]) -> dict[str, float]:
    """Return the mean barriers (chord, loss) of all cells by split and kinds."""
    cells = cells_of(results)
    labels = cell_labels(cells)
    return {
        f"barrier/{split}/{labels[c.a.name]}/{labels[c.b.name]}": interval.mean
        for c in cells
        for (split, metric, definition), interval in c.barriers().items()
        if (metric, definition) == ("loss", "chord")
    }
