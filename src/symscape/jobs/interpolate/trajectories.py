"""The path that each training of a study took: the analysis."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

from rich.table import Table

from symscape.config.interpolate import InterpolateConfig
from symscape.jobs.analysis.analysis import Analysis
from symscape.jobs.analysis.missing import Task
from symscape.jobs.analysis.progress import Steps
from symscape.jobs.analysis.subjects import RunSubject
from symscape.jobs.interpolate.selection import alike
from symscape.jobs.interpolate.trajectory_tables import numbers_of, table_of, write_tables
from symscape.runs.results import TrajectoryResult, result_path, settings_hash

if TYPE_CHECKING:
    from symscape.jobs.interpolate.evaluator import LineEvaluator


class TrajectoryAnalysis(Analysis[TrajectoryResult]):
    """The path of every run, and the line from its start to its end."""

    door = "interpolate"
    kind = TrajectoryResult

    def __init__(self, config: InterpolateConfig, subjects: Sequence[RunSubject]) -> None:
        super().__init__(config, [each.run for each in subjects])
        self.subjects = subjects
        self.config, self.settings = config, settings_of(config)
        self.evaluator: LineEvaluator | None = None

    @property
    def folder(self) -> Path:
        """Where the results go that share these settings."""
        return self.place / f"trajectory-{self.config.bn}-{settings_hash(self.settings)}"

    def tasks(self) -> list[Task]:
        """Return a result a run."""
        steps = self.config.points + self.config.plane_points**2
        return [
            Task((each,), result_path(self.folder, [each.reference]), self.settings, steps)
            for each in self.subjects
        ]

    def prepare(self, task: Task) -> None:
        """Load images and networks: those of other runs may be of another shape."""
        from symscape.jobs.interpolate.evaluator import LineEvaluator

        subject = run_of(task)
        if self.evaluator is None or not alike(subject, self.evaluator.subject):
            self.evaluator = LineEvaluator(self.config, subject, self.hardware)

    def measure(self, task: Task, steps: Steps) -> TrajectoryResult:
        """Walk the line, and look at the plane around the path."""
        from symscape.jobs.interpolate.trajectory import measure

        assert self.evaluator is not None  # prepare saw to it
        return measure(self.evaluator, run_of(task).run, steps.tick)

    def say(self, result: TrajectoryResult) -> str:
        """Return how much the line rises, and how long the path is."""
        ratio = result.path["ratio"]
        length = "no step" if ratio is None else f"path {ratio:.2f} times the displacement"
        return f"rise on the line {result.rise['train']['loss']:.4f} (train), {length}"

    @property
    def tables(self) -> list[Path]:
        """Means over seeds, and all numbers."""
        return [self.folder / "summary.csv", self.folder / "trajectories.csv"]

    def write_tables(self, results: Sequence[TrajectoryResult]) -> None:
        """Write both."""
        summary, table = self.tables
        write_tables(table, summary, results)

    def draw(self, results: Sequence[TrajectoryResult]) -> list[Path]:
        """Draw paths and planes."""
        from symscape.plots.trajectory import draw_trajectories

        files = [result_path(self.folder, [result.run]) for result in results]
        return draw_trajectories(files, self.folder)

    def table(self, results: Sequence[TrajectoryResult]) -> Table:
        """Return the means over seeds."""
        return table_of(results)

    def row(self, result: TrajectoryResult) -> dict[str, Any]:
        """Return the run and its numbers."""
        return {"run": result.run.label, **numbers_of(result)}


def run_of(task: Task) -> RunSubject:
    """Return the run that a task is about."""
    (subject,) = task.subjects
    assert isinstance(subject, RunSubject)  # tasks saw to it
    return subject


def settings_of(config: InterpolateConfig) -> dict[str, Any]:
    """Return the settings that a trajectory's result depends on."""
    keys = ("along", "bn", "points", "plane_points", "transform", "precision")
    images = ("train_images", "bn_images", "test_images")
    return {key: getattr(config, key) for key in (*keys, *images)}
