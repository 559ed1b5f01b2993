"""What a sweep shows while it runs: one line, kept up to date on a terminal."""

from __future__ import annotations

import os
import time
from collections import Counter
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager

from rich.console import Console
from rich.live import Live
from rich.text import Text

from symscape.sweeps.job import Job
from symscape.sweeps.pace import Pace, Span, at_once, remaining
from symscape.sweeps.plan import Plan

STATES = ("done", "skipped", "elsewhere", "running", "failed", "waiting")


class Status:
    """Counts the jobs of a sweep, and guesses the time that the rest will take.

    Args:
        planned: what is to do; who runs the jobs adds their outcomes.
        clock: gives seconds since 1970, as the logs of the jobs do.
    """

    def __init__(self, planned: Plan, clock: Callable[[], float] = time.time) -> None:
        self.planned, self.clock = planned, clock
        self.ended: dict[int, Span] = {}
        self.paces = {job.number: Pace(job.fraction()) for job in planned.jobs}

    @property
    def unfinished(self) -> list[Job]:
        """The jobs without an outcome."""
        return [job for job in self.planned.jobs if job.number not in self.planned.outcomes]

    def line(self) -> str:
        """Return the counts and the remaining time."""
        unfinished = self.unfinished
        running = [job for job in unfinished if job.log.exists()]
        counts = Counter(outcome.state for outcome in self.planned.outcomes.values())
        counts |= {"running": len(running), "waiting": len(unfinished) - len(running)}
        always = ("done", "running", "failed", "waiting")
        parts = [f"{counts[s]} {s}" for s in STATES if counts[s] or s in always]
        left = self._left(running, unfinished)
        if left is not None:
            parts.append(f"{clock(left)} left")
        if len(running) == 1:
            parts.append(f"{running[0].label} {self.paces[running[0].number].done:.0%}")
        return ", ".join(parts)

    def _left(self, running: Sequence[Job], unfinished: Sequence[Job]) -> float | None:
        now = self.clock()
        for job in running:
            self.paces[job.number].see(now, job.fraction(), job.began())
        for job in self.planned.jobs:
            self._note_end(job, now)
        begins = [began for job in running if (began := self.paces[job.number].began) is not None]
        places = at_once(list(self.ended.values()), [Span(b, max(0.0, now - b)) for b in begins])
        paces = list(self.paces.values())
        return remaining(paces, [self.paces[job.number] for job in unfinished], now, places)

    def _note_end(self, job: Job, now: float) -> None:
        outcome = self.planned.outcomes.get(job.number)
        if outcome is None or job.number in self.ended:
            return
        began = job.began()
        took = outcome.seconds
        self.ended[job.number] = Span(now - took if began is None else began, took)
        if outcome.state == "done":
            self.paces[job.number].seconds = took


def clock(seconds: float) -> str:
    """Return a duration as h:mm:ss."""
    minutes, rest = divmod(round(seconds), 60)
    return f"{minutes // 60}:{minutes % 60:02d}:{rest:02d}"


@contextmanager
def shown(status: Status) -> Iterator[Console]:
    """Keep the line at the foot of a terminal; give a console whose lines go above it.

    The console has a handle of its own: a job in this process has its output sent elsewhere.
    """
    with os.fdopen(os.dup(1), "w") as terminal:
        console = Console(file=terminal, highlight=False, soft_wrap=True)
        if not console.is_terminal:
            yield console
            return
        live = Live(
            get_renderable=lambda: Text(
                status.line(), style="cyan", no_wrap=True, overflow="ellipsis"
            ),
            console=console,
            refresh_per_second=2,
            transient=True,
            redirect_stdout=False,
            redirect_stderr=False,
        )
        with live:
            yield console
