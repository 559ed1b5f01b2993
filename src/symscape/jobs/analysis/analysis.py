"""One shape for every analysis: a config, subjects, a measure, a table, pictures.

What else there is to do is done here, once: which results are missing, locks, shards, waiting for
others, `force`, progress, signals, tables that are stale, the dashboard.
"""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Mapping, Sequence
from functools import cached_property
from pathlib import Path
from typing import TYPE_CHECKING, Any, ClassVar, Generic

from rich.console import RenderableType

from symscape.config.analysis import AnalysisConfig
from symscape.jobs.analysis.listing import Listing, writing_tables
from symscape.jobs.analysis.missing import Task, make_missing
from symscape.jobs.analysis.progress import Steps
from symscape.jobs.analysis.shards import reports, share_of
from symscape.jobs.analysis.subjects import NETWORKS
from symscape.jobs.console import console, log
from symscape.runs.find import Run
from symscape.runs.manifest import git_commit, package_versions
from symscape.runs.results import AnyResult, read_results
from symscape.stopping import stoppable

if TYPE_CHECKING:
    from symscape.training.hardware import Hardware


class Analysis(ABC, Generic[AnyResult]):
    """What one analysis has that others do not.

    Args:
        config: what is wanted.
        runs: the completed runs that it is about; none where it is about networks.
    """

    door: ClassVar[str]
    """The script's name, which its results' folder bears too."""
    kind: type[AnyResult]
    """Of its results."""

    def __init__(self, config: AnalysisConfig, runs: Sequence[Run]) -> None:
        self.common, self.runs = config, list(runs)

    @property
    def place(self) -> Path:
        """Where all results of a study go; those of named runs stay apart from its tables."""
        if self.common.network:
            return Path(self.common.root) / NETWORKS / self.door
        if self.common.study:
            return Path(self.common.root) / self.common.study / self.door
        return self.runs[0].folder.resolve().parents[1] / self.door / "named"

    @property
    @abstractmethod
    def folder(self) -> Path:
        """Where the results go that share these settings, below `place`."""

    @abstractmethod
    def tasks(self) -> list[Task]:
        """Return all results that are wanted, in an order in which neighbours share most."""

    @abstractmethod
    def prepare(self, task: Task) -> None:
        """Load what a task and those like it share, unless it is there already."""

    @abstractmethod
    def measure(self, task: Task, steps: Steps) -> AnyResult:
        """Return a result, without its stamp, after `prepare`; it tells `steps` how far it is."""

    @abstractmethod
    def say(self, result: AnyResult) -> str:
        """Return what came out of a measure, in half a line."""

    def combine(self) -> None:
        """Make results of results, where there are such."""

    def wanted(self) -> list[Path]:
        """Return the places of the results that tables and pictures are made of."""
        return [task.path for task in self.tasks()]

    @property
    @abstractmethod
    def tables(self) -> list[Path]:
        """The files that `write_tables` writes, the most telling one first."""

    @abstractmethod
    def write_tables(self, results: Sequence[AnyResult]) -> None:
        """Write all results of `folder` as CSV."""

    @abstractmethod
    def draw(self, results: Sequence[AnyResult]) -> list[Path]:
        """Draw what the tables hold; return the files, below `folder / "pictures"`."""

    @abstractmethod
    def table(self, results: Sequence[AnyResult]) -> RenderableType:
        """Return what a person reads first."""

    def warnings(self, results: Sequence[AnyResult]) -> list[str]:
        """Return what a reader should know before comparing."""
        return []

    @abstractmethod
    def row(self, result: AnyResult) -> dict[str, Any]:
        """Return a result as a row of the dashboard's table: its subjects, then its numbers."""

    def figures(self, results: Sequence[AnyResult]) -> dict[str, float]:
        """Return the dashboard's figures; by default the numbers of all rows."""
        named = ((result.subjects[0].label, self.row(result)) for result in results)
        return {
            f"{label}/{key}": value
            for label, row in named
            for key, value in row.items()
            if isinstance(value, float | int)
        }

    @cached_property
    def hardware(self) -> Hardware:
        """On what it measures."""
        from symscape.jobs.analysis.images import hardware_of

        return hardware_of(self.common)

    @cached_property
    def stamp(self) -> Mapping[str, Any]:
        """What makes any result believable alone."""
        return {
            "resolved": self.hardware.as_dict(),
            "versions": package_versions(),
            "git_commit": git_commit(),
        }


def perform(analysis: Analysis[AnyResult], *, show_only: bool = False) -> None:
    """Measure what is missing, then write tables and pictures of all there is, and show them.

    Args:
        analysis: what is wanted.
        show_only: measure nothing.

    Raises:
        SymscapeError: what a user can mend, in one line, after all that could be done was done.
        KeyboardInterrupt: a signal asked for an end; what is finished is on disk.
    """
    with stoppable():
        own = [] if show_only else share_of(analysis.common, analysis.tasks())
        made = make_missing(analysis, own, force=analysis.common.force)
        with writing_tables(analysis.place):
            analysis.combine()
            _show(analysis)
        made.check()


def _show(analysis: Analysis[AnyResult]) -> None:
    """Write tables and pictures where something is new, and show the results."""
    listing = Listing.of(analysis.folder)
    results = list(read_results(analysis.folder, analysis.kind))
    if not results:
        return
    pictures = sorted((analysis.folder / "pictures").glob("*.png"))
    if new := not pictures or listing.is_stale([*analysis.tables, *pictures]):
        analysis.write_tables(results)
        pictures = analysis.draw(results)
        listing.keep()
    console.print(analysis.table(results))
    for warning in analysis.warnings(results):
        log.warning(f"warning: {warning}")
    for path in (*analysis.tables, *pictures):
        console.print(str(path), markup=False)
    if reports(analysis.common, listing, analysis.wanted(), new):
        _send(analysis, results, pictures)


def _send(
    analysis: Analysis[AnyResult], results: Sequence[AnyResult], pictures: Sequence[Path]
) -> None:
    from symscape.training.loggers.analysis import Report, send

    report = Report(
        job_type=analysis.door,
        name=analysis.folder.name,
        study=analysis.folder.parents[1].name,
        settings=results[0].settings,
        rows=[analysis.row(result) for result in results],
        subjects=[result.subjects for result in results],
        figures=analysis.figures(results),
        pictures=pictures,
    )
    send(analysis.common.logger, report, analysis.folder)
