"""What an engine is, and the simplest one: one job after the other, in this process."""

from __future__ import annotations

from collections.abc import Generator, Sequence
from typing import Protocol

from symscape.stopping import safe_point
from symscape.sweeps.job import Job, Outcome, perform

Outcomes = Generator[tuple[Job, Outcome], None, None]


class Engine(Protocol):
    """Runs jobs somewhere."""

    def run(self, jobs: Sequence[Job], of: int) -> Outcomes:
        """Yield each job with its outcome when it has ended.

        Closing the generator, or an exception in it, ends the jobs that still run, resumably, and
        leaves no process behind. A signal that came takes effect within a second, or when the
        batch that this process is at is done.

        Args:
            jobs: what to run.
            of: jobs of the sweep, those included that were finished before. A job's share of the
                cores depends on this number, so that launching again gives it the same one:
                another number of threads adds up in another order.
        """
        ...


class Serial:
    """One job after the other, each with the whole machine."""

    def run(self, jobs: Sequence[Job], of: int) -> Outcomes:
        """Yield each job with its outcome when it has ended."""
        for job in jobs:
            safe_point()
            yield job, perform(job)
