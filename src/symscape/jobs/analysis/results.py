"""Making the results of an analysis that are missing, one file at a time."""

from __future__ import annotations

import hashlib
import logging
from collections.abc import Callable, Iterable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

from symscape.errors import SymscapeError
from symscape.jobs.analysis.progress import Steps, progress
from symscape.jobs.console import console
from symscape.runs.files import write_text
from symscape.runs.find import Run
from symscape.runs.lock import BusyError, locked
from symscape.runs.results import AnyResult, LineResult, is_whole, write_result
from symscape.stopping import Interrupted, held, interruptible

log = logging.getLogger("symscape")
PRECISION_TOLERANCE = 0.01
WAIT = 600.0
"""Seconds to wait for another process that writes the same tables and pictures."""


@dataclass(frozen=True)
class Task:
    """One result to make, and where it goes."""

    runs: tuple[Run, ...]
    path: Path
    steps: int
    """What the progress bar counts."""
    method: str = ""

    @property
    def title(self) -> str:
        """The runs, briefly."""
        names = (f"{run.config.symmetry.name} seed={run.config.seed}" for run in self.runs)
        return " - ".join(names) + (f", {self.method}" if self.method else "")


@dataclass(frozen=True)
class Made:
    """How many results were made, and why others could not be."""

    count: int
    failures: list[str]

    def check(self) -> None:
        """Raise SymscapeError if there were failures: after all that could be done was done."""
        if self.failures:
            others = len(self.failures) - 1
            more = f" (and {others} more results failed)" if others else ""
            raise SymscapeError(f"{self.failures[0]}{more}")


@dataclass(frozen=True)
class Listing:
    """The results of a folder at one moment: what its tables and pictures are made of.

    Times of files would not do: while one process writes tables another adds a result, older than
    the tables and not in them. So the listing is taken first, and kept when the tables are whole.
    """

    folder: Path
    names: frozenset[str]
    stamp: str

    @classmethod
    def of(cls, folder: Path) -> Listing:
        """List the results of a folder: call it before reading them."""
        found = {path.name: path.stat() for path in folder.glob("*.json")}
        lines = (f"{name} {s.st_size} {s.st_mtime_ns}\n" for name, s in sorted(found.items()))
        stamp = hashlib.sha256("".join(lines).encode()).hexdigest()
        return cls(folder, frozenset(found), stamp)

    def is_stale(self, made_of_it: Sequence[Path]) -> bool:
        """Whether tables or pictures are missing, or were made of other results."""
        if not made_of_it or not all(path.exists() for path in made_of_it):
            return True
        try:
            return self._kept.read_text(encoding="utf-8") != self.stamp
        except (OSError, ValueError):
            return True

    def keep(self) -> None:
        """Note that tables and pictures were made of these results."""
        write_text(self._kept, self.stamp)

    def lacks(self, wanted: Iterable[Path]) -> list[Path]:
        """Return what was not there of the results that are wanted in this folder."""
        return [path for path in wanted if path.name not in self.names]

    @property
    def _kept(self) -> Path:
        return self.folder / ".tables"


Measure = Callable[[Task, Steps], AnyResult]
"""Makes the result of a task; counts its steps."""


def make_missing(
    tasks: Sequence[Task],
    kind: type[AnyResult],
    prepare: Callable[[Run], Measure[AnyResult]],
    say: Callable[[AnyResult], str],
    *,
    force: bool = False,
) -> Made:
    """Make the results that are not there yet, or damaged; one that fails leaves the others alone.

    Several processes may do this at once: each result is made by one of them.

    Args:
        tasks: what is wanted.
        kind: of the results.
        prepare: loads what all measurements share, given one of the runs; called if needed.
        say: what to print of a result.
        force: make all of them anew.
    """
    missing = [task for task in tasks if force or not is_whole(task.path, kind)]
    if there := len(tasks) - len(missing):
        log.info(f"{there} of {len(tasks)} results are there already (force=true makes them anew)")
    if not missing:
        return Made(0, [])
    made: list[Path] = []
    failures: list[str] = []
    busy = 0
    with _stoppable(made):
        measure = prepare(missing[0].runs[0])
        with progress(console, sum(task.steps for task in missing)) as steps:
            for task in missing:
                try:
                    _make(task, kind, measure, say, steps, force, made)
                except BusyError:
                    steps.tick(task.steps)
                    busy += 1
                except SymscapeError as error:
                    failures.append(str(error))
                    log.error(f"{task.title}: failed: {error}")
    if busy:
        log.info(f"{busy} results are being made by another process; they are left to it")
    return Made(len(made), failures)


def _make(
    task: Task,
    kind: type[AnyResult],
    measure: Measure[AnyResult],
    say: Callable[[AnyResult], str],
    steps: Steps,
    force: bool,
    made: list[Path],
) -> None:
    with locked(task.path):
        if not force and is_whole(task.path, kind):
            steps.tick(task.steps)
            return
        steps.about(task.title)
        result = measure(task, steps)
        with held():  # What is there when Ctrl-C ends the work is counted.
            write_result(task.path, result)
            made.append(task.path)
        # Whoever gets this lock later finds the result first.
        task.path.with_name(f".{task.path.name}.lock").unlink(missing_ok=True)
    steps.finished(f"{task.title}: {say(result)} ({result.seconds:.1f} s)")


def warn_of_rounding(result: LineResult) -> None:
    """Warn where the precision changes the loss by more than 1 % and 0.001 nats."""
    if not result.precision_check:
        return
    (name, rounded), (reference, exact) = result.precision_check.items()
    if abs(rounded - exact) > max(0.001, PRECISION_TOLERANCE * abs(exact)):
        log.warning(
            f"precision={name}: the loss at 1/2 is {rounded:.4f}, in {reference} {exact:.4f}; "
            f"precision={reference} is slower and exact"
        )


@contextmanager
def writing_tables(place: Path) -> Iterator[None]:
    """Write the tables and pictures of a place alone: another process is waited for."""
    with locked(place / "tables", wait=WAIT):
        yield


@contextmanager
def _stoppable(made: list[Path]) -> Iterator[None]:
    """End the work at Ctrl-C: what is finished is on disk."""
    try:
        with interruptible():
            yield
    except Interrupted as signal:
        log.info(f"{signal}: stopped; {len(made)} new results are kept, the same command goes on")
        raise KeyboardInterrupt from None
