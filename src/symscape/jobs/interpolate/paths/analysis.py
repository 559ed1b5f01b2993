"""Paths with a trained middle between the runs of a study, pair by pair: the analysis."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

from rich.table import Table

from symscape.jobs.analysis.missing import Task
from symscape.jobs.analysis.progress import Steps
from symscape.jobs.analysis.subjects import RunSubject
from symscape.jobs.interpolate.pairs import PairAnalysis, pair_of
from symscape.jobs.interpolate.paths.checkpoint import checkpoint_of, remove_finished
from symscape.jobs.interpolate.paths.tables import path_figures, table_of, write_tables
from symscape.jobs.interpolate.selection import alike
from symscape.runs.results import PairResult, PathResult

if TYPE_CHECKING:
    from symscape.jobs.interpolate.paths.measure import PathMeasure


class PathAnalysis(PairAnalysis):
    """The path between every two runs, and the line beside it."""

    kind: type[PairResult] = PathResult
    path_measurer: PathMeasure | None = None

    def _folder(self, align: str) -> Path:
        line = super()._folder(align)
        return line.with_name(f"{self.config.path}-{line.name}")

    def tasks(self) -> list[Task]:
        """Return a result a pair; two of which `best` is chosen."""
        from symscape.jobs.interpolate.paths.measure import EPOCH_STEPS

        count = 2 * self.config.points + EPOCH_STEPS * self.config.path_epochs
        return [replace(task, steps=count) for task in super().tasks()]

    def prepare(self, task: Task) -> None:
        """Load images and networks: those of other pairs may be of another shape."""
        from symscape.jobs.interpolate.evaluator import LineEvaluator
        from symscape.jobs.interpolate.paths.measure import PathMeasure

        first, known = pair_of(task)[0], self.path_measurer
        if known is None or not alike(first, known.evaluator.subject):
            self.path_measurer = PathMeasure(LineEvaluator(self.config, first, self.hardware))

    def measure(self, task: Task, steps: Steps) -> PathResult:
        """Align, walk the line, train the middle, walk the path."""
        a, b = pair_of(task)
        assert isinstance(a, RunSubject) and isinstance(b, RunSubject)  # the config saw to it
        assert self.path_measurer is not None  # prepare saw to it
        checkpoint = checkpoint_of(task.path)
        return self.path_measurer.measure(a, b, task.method, checkpoint, task.title, steps)

    def say(self, result: PairResult) -> str:
        """Return the barriers, and those of the line."""
        assert isinstance(result, PathResult)
        line = super().say(result.straight()).removeprefix("barrier ")
        return f"{super().say(result)} (line: {line})"

    def combine(self) -> None:
        """Choose the better alignment of each pair; remove what only a killed training needs."""
        super().combine()
        for folder in self.place.glob(f"{self.config.path}-*"):
            remove_finished(folder)

    @property
    def tables(self) -> list[Path]:
        """Means over seed pairs, the mean curves, and all numbers: of these settings."""
        return [self.folder / name for name in ("summary.csv", "paths.csv", "barriers.csv")]

    def write_tables(self, results: Sequence[PairResult]) -> None:
        """Write them."""
        write_tables(self.folder, _paths(results))

    def draw(self, results: Sequence[PairResult]) -> list[Path]:
        """Draw matrix and curves."""
        from symscape.plots.barriers.draw import draw_paths

        return draw_paths(self.folder)

    def table(self, results: Sequence[PairResult]) -> Table:
        """Return the mean barrier of every two kinds, and that of the line."""
        config = self.config
        about = f"path={config.path} align={config.align} bn={config.bn}"
        return table_of(f"barrier (chord, loss in nats), {about}", _paths(results))

    def row(self, result: PairResult) -> dict[str, Any]:
        """Return the two runs and all barriers."""
        assert isinstance(result, PathResult)
        line = super().row(result.straight())
        return super().row(result) | {f"line/{k}": v for k, v in line.items() if k not in "ab"}

    def figures(self, results: Sequence[PairResult]) -> dict[str, float]:
        """Return the mean barriers of every two kinds, and those of the lines."""
        return path_figures(_paths(results))


def _paths(results: Sequence[PairResult]) -> list[PathResult]:
    return [result for result in results if isinstance(result, PathResult)]
