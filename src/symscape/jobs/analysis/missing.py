"""Making the results of an analysis that are missing, one file at a time."""

from __future__ import annotations

import time
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any, Protocol

from symscape.errors import SymscapeError
from symscape.jobs.analysis.progress import Steps, progress
from symscape.jobs.console import console, log
from symscape.runs.lock import BusyError, locked
from symscape.runs.manifest import now
from symscape.runs.results import AnyResult, is_whole, write_result
from symscape.stopping import Interrupted, safe_point


class Titled(Protocol):
    """What a result is about."""

    @property
    def title(self) -> str:
        """It, briefly."""
        ...


@dataclass(frozen=True)
class Task:
    """One result to make, and where it goes."""

    subjects: tuple[Titled, ...]
    path: Path
    settings: dict[str, Any] = field(compare=False)
    """What the result depends on."""
    steps: int
    """What the progress bar counts."""
    method: str = ""
    shown: tuple[Titled, ...] = ()
    """The subjects in the order in which tables name them, where that is another."""

    @property
    def title(self) -> str:
        """The subjects, briefly."""
        names = " - ".join(subject.title for subject in self.shown or self.subjects)
        return ", ".join(filter(None, (names, self.method)))


class Maker(Protocol[AnyResult]):
    """Makes results: what is needed here of an `Analysis`."""

    kind: type[AnyResult]

    def prepare(self, task: Task) -> None:
        """Load what a task and those like it share."""
        ...

    def measure(self, task: Task, steps: Steps) -> AnyResult:
        """Return the result of a task, without its stamp."""
        ...

    def say(self, result: AnyResult) -> str:
        """Return what came out of it, in half a line."""
        ...

    @property
    def stamp(self) -> Mapping[str, Any]:
        """What makes any result believable alone."""
        ...


@dataclass(frozen=True)
class Made:
    """How many results were made, and why others could not be."""

    paths: list[Path]
    failures: list[str]

    def check(self) -> None:
        """Raise SymscapeError if there were failures: after all that could be done was done."""
        if self.failures:
            others = len(self.failures) - 1
            more = f" (and {others} more results failed)" if others else ""
            raise SymscapeError(f"{self.failures[0]}{more}")


def make_missing(maker: Maker[AnyResult], tasks: Sequence[Task], *, force: bool = False) -> Made:
    """Make the results that are not there yet, or damaged; one that fails leaves the others alone.

    Several processes may do this at once: each result is made by one of them.

    Args:
        maker: makes them.
        tasks: what is wanted.
        force: make all of them anew.

    Raises:
        Interrupted: at a safe point; what is finished is on disk.
    """
    missing = [task for task in tasks if force or not is_whole(task.path, maker.kind)]
    if there := len(tasks) - len(missing):
        log.info(f"{there} of {len(tasks)} results are there already (force=true makes them anew)")
    made = Made([], [])
    if not missing:
        return made
    resolved = maker.stamp["resolved"]
    count = f"{len(missing)} result{'s' if len(missing) > 1 else ''}"
    log.info(f"{count} on {resolved['name']}, {resolved['precision']}")
    maker.prepare(missing[0])  # What is wrong with the images is wrong for all.
    try:
        with progress(console, sum(task.steps for task in missing)) as steps:
            busy = sum(not _make(maker, task, steps, made, force=force) for task in missing)
    except Interrupted as signal:
        kept = f"{len(made.paths)} new results are kept"
        log.info(f"{signal}: stopped; {kept}, the same command goes on")
        raise
    if busy:
        log.info(f"{busy} results are being made by another process; they are left to it")
    return made


def _make(maker: Maker[AnyResult], task: Task, steps: Steps, made: Made, *, force: bool) -> bool:
    """Make a result, or note why that failed; return False if another process is at it."""
    safe_point()
    try:
        with locked(task.path):
            if not force and is_whole(task.path, maker.kind):
                steps.tick(task.steps)
                return True
            result = _measured(maker, task, steps)
            write_result(task.path, result)
            made.paths.append(task.path)
            # Whoever gets this lock later finds the result first.
            task.path.with_name(f".{task.path.name}.lock").unlink(missing_ok=True)
    except BusyError:
        steps.tick(task.steps)
        return False
    except SymscapeError as error:
        made.failures.append(str(error))
        log.error(f"{task.title}: failed: {error}")
        return True
    steps.finished(f"{task.title}: {maker.say(result)} ({result.seconds:.1f} s)")
    return True


def _measured(maker: Maker[AnyResult], task: Task, steps: Steps) -> AnyResult:
    """Return a result with its stamp, settings and time."""
    begin = time.perf_counter()
    maker.prepare(task)
    steps.about(task.title)
    result = maker.measure(task, steps)
    seconds = round(time.perf_counter() - begin, 3)
    return replace(result, settings=task.settings, finished=now(), seconds=seconds, **maker.stamp)
