"""What a sweep has to do: its jobs, without those that are finished."""

from __future__ import annotations

import re
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path

from symscape.config.train import TrainConfig
from symscape.data.content import content_key
from symscape.errors import SymscapeError
from symscape.jobs.train.width import settled
from symscape.runs.find import completed_figures
from symscape.runs.identity import identify
from symscape.runs.lock import is_locked
from symscape.sweeps.job import Job, Outcome

LONGEST_NAME = 80


@dataclass(frozen=True)
class Wish:
    """A job that is asked for."""

    words: tuple[str, ...]
    """Its options."""
    config: object
    """Its checked config, or the error that kept it from being one."""
    call: Callable[[], float | None]


@dataclass(frozen=True)
class Plan:
    """All jobs by their numbers: what is to do, and what is known already."""

    labels: list[str]
    jobs: list[Job]
    outcomes: dict[int, Outcome]


def plan(wishes: Sequence[Wish], logs: Path) -> Plan:
    """Set finished runs aside, without torch and without their images (`model.width=auto` apart).

    Args:
        wishes: all jobs.
        logs: folder for their logs.
    """
    made = Plan(labels([wish.words for wish in wishes]), [], {})
    keys: dict[str, str] = {}
    for number, (wish, label) in enumerate(zip(wishes, made.labels, strict=True)):
        log = logs / f"{number}{_file_name(label)}.log"
        try:
            known = _look(wish, keys, Job(number, label, wish.call, log))
        except SymscapeError as error:
            known = Outcome("failed", error=" ".join(str(error).split()))
        if isinstance(known, Job):
            made.jobs.append(known)
        else:
            made.outcomes[number] = known
    return made


def _look(wish: Wish, keys: dict[str, str], job: Job) -> Job | Outcome:
    """Return the job, or the outcome that a finished run has already."""
    config = wish.config
    if isinstance(config, SymscapeError):
        raise config
    if not isinstance(config, TrainConfig):
        return job
    # Asking a folder for its key takes a look at all its files: once a sweep is enough.
    data = repr(config.data)
    content = keys[data] = keys.get(data) or content_key(config.data)
    folder = identify(settled(config), content).folder
    if (
        not config.force
        and (figures := completed_figures(folder, config.data.image_size)) is not None
    ):
        return Outcome("skipped", figures["test/accuracy"])
    return Job(job.number, job.label, job.call, job.log, folder, config.trainer.max_epochs)


def free_again(planned: Plan) -> list[Job]:
    """Return the trainings that another process was at work on and is no more, unfinished.

    It may have been about to end: that of a sweep whose command was killed. Those that it finished
    are noted as such.
    """
    found = []
    for job in planned.jobs:
        outcome = planned.outcomes.get(job.number)
        if job.folder is None or outcome is None or outcome.state != "elsewhere":
            continue
        if (figures := completed_figures(job.folder)) is not None:
            planned.outcomes[job.number] = Outcome("skipped", figures["test/accuracy"])
        elif not is_locked(job.folder):
            found.append(job)
    return found


def labels(words: Sequence[Sequence[str]]) -> list[str]:
    """Return for each job the options that not all jobs share; all options where there is one."""
    shared = set(words[0]).intersection(*words[1:]) if len(words) > 1 else set()
    return [" ".join(w for w in each if w not in shared) or "job" for each in words]


def _file_name(label: str) -> str:
    return "-" + re.sub(r"[^\w.=,-]+", "_", label)[:LONGEST_NAME]
