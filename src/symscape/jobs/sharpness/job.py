"""The sharpness job: curvature at the end of runs, along their training, or of networks."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

from rich.console import Group, RenderableType

from symscape.config.sharpness import SharpnessConfig
from symscape.jobs.analysis.analysis import Analysis, perform
from symscape.jobs.analysis.missing import Task
from symscape.jobs.analysis.progress import Steps
from symscape.jobs.analysis.subjects import RunSubject, Subject, images_asked, select_runs
from symscape.jobs.console import start_logging
from symscape.jobs.sharpness.matched import FILE, matched_table, write_matched
from symscape.jobs.sharpness.points import KeptPoints, remove_finished
from symscape.jobs.sharpness.tables import numbers_of, table_of, warnings_of, write_tables
from symscape.runs.find import kept_weights
from symscape.runs.results import SharpnessResult, result_path, settings_hash

if TYPE_CHECKING:
    from symscape.jobs.sharpness.measure import CurvatureMeasure


def sharpness(config: SharpnessConfig, *, show_only: bool = False) -> None:
    """Measure the curvature of the runs or the network that `config` names; see `perform`."""
    start_logging()
    perform(SharpnessAnalysis(config, _subjects(config)), show_only=show_only)


def _subjects(config: SharpnessConfig) -> list[Subject]:
    if config.network is None:
        return [RunSubject(run) for run in select_runs(config, (config.run,))]
    from symscape.jobs.analysis.networks import network_subjects

    return network_subjects(config, {"weights": config.weights}, seed=config.seed)


class SharpnessAnalysis(Analysis[SharpnessResult]):
    """The curvature of every run, or of a network."""

    door = "sharpness"
    kind = SharpnessResult

    def __init__(self, config: SharpnessConfig, subjects: Sequence[Subject]) -> None:
        super().__init__(config, [each.run for each in subjects if each.run is not None])
        self.config, self.subjects = config, subjects
        self.settings = settings_of(config) | images_asked(subjects[0])
        self.measurer: CurvatureMeasure | None = None

    @property
    def folder(self) -> Path:
        """Where the results go that share these settings."""
        return self.place / f"{self.config.along}-{settings_hash(self.settings)}"

    def tasks(self) -> list[Task]:
        """Return a result a subject."""
        return [
            Task(
                (each,),
                result_path(self.folder, [each.reference]),
                self.settings,
                steps_of(self.config, each),
            )
            for each in self.subjects
        ]

    def prepare(self, task: Task) -> None:
        """Load the images, which all runs must share."""
        from symscape.jobs.sharpness.measure import CurvatureMeasure

        if self.measurer is None:
            self.measurer = CurvatureMeasure(self.config, self._of(task), self.hardware)

    def measure(self, task: Task, steps: Steps) -> SharpnessResult:
        """Measure one subject."""
        assert self.measurer is not None  # prepare saw to it
        if not self.along_training:
            return self.measurer.measure(self._of(task), steps)
        kept = KeptPoints(task.path, self.stamp)
        if self.config.force:
            kept.forget()
        return self.measurer.measure(self._of(task), steps, kept)

    def combine(self) -> None:
        """Remove what only a measurement that was stopped needs."""
        remove_finished(self.folder)

    @staticmethod
    def _of(task: Task) -> Subject:
        (subject,) = task.subjects
        assert isinstance(subject, Subject)  # tasks saw to it
        return subject

    def say(self, result: SharpnessResult) -> str:
        """Return the loss and the largest eigenvalues."""
        last = result.points[-1]
        shown = [
            f"{m['subspace']}/{m['scaling']} {m['eigenvalues']['values'][0]:.4g}"
            + ("" if m["eigenvalues"]["converged"] else " (not converged)")
            for m in last["measures"]
            if "eigenvalues" in m
        ]
        return f"loss {last['loss']:.4f}" + (
            f", largest eigenvalue {', '.join(shown)}" if shown else ""
        )

    @property
    def tables(self) -> list[Path]:
        """Means over seeds, all numbers, and means at equal train loss."""
        names = ["summary.csv", "sharpness.csv", *([FILE] if self.along_training else [])]
        return [self.folder / name for name in names]

    @property
    def along_training(self) -> bool:
        """Whether trainings are followed, rather than their ends looked at."""
        return self.config.along == "trajectory"

    def write_tables(self, results: Sequence[SharpnessResult]) -> None:
        """Write all of them."""
        write_tables(self.folder, results)
        if self.along_training:
            write_matched(self.folder, results)

    def draw(self, results: Sequence[SharpnessResult]) -> list[Path]:
        """Draw what was measured."""
        from symscape.plots.sharpness.draw import draw_sharpness

        files = [result_path(self.folder, [result.run]) for result in results]
        return draw_sharpness(self.folder, files)

    def table(self, results: Sequence[SharpnessResult]) -> RenderableType:
        """Return the means over seeds."""
        ends = table_of(results)
        return Group(ends, matched_table(results)) if self.along_training else ends

    def warnings(self, results: Sequence[SharpnessResult]) -> list[str]:
        """Return what a reader should know before comparing."""
        return warnings_of(results)

    def row(self, result: SharpnessResult) -> dict[str, Any]:
        """Return the subject and its numbers at its end."""
        numbers = {number.name: number.value for number in numbers_of(result.points[-1])}
        return {"run": result.run.label, **numbers}


def settings_of(config: SharpnessConfig) -> dict[str, Any]:
    """Return the settings that a result depends on."""
    keys = ["along", "quantities", "subspaces", "scalings", "images", "bn_images"]
    keys += ["precision", "seed"]
    used = {
        "eigenvalues": ("k", "tolerance", "max_products"),
        "trace": ("trace_products",),
        "random_ascent": ("epsilons", "draws"),
        "worst_case": ("radii",),
    }
    keys += [key for quantity in config.quantities for key in used.get(quantity, ())]
    return {key: getattr(config, key) for key in keys}


def steps_of(config: SharpnessConfig, subject: Subject) -> int:
    """Return how many measures a subject takes: the progress bar counts them."""
    points = 1
    if config.along == "trajectory" and subject.run is not None:
        points = len(kept_weights(subject.run))
    return points * len(config.subspaces) * len(config.scalings) * len(config.quantities)
