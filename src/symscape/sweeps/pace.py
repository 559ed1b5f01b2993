"""The time that the rest of a sweep takes: none is named before something has progressed."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass


@dataclass
class Pace:
    """When one job was seen where. Times are seconds of any clock, shares those of a whole job."""

    initial: float = 0.0
    """Share that was done before the sweep."""
    began: float | None = None
    first: tuple[float, float] | None = None
    """Time and share when it first showed progress: what came before was its start as well."""
    last: tuple[float, float] | None = None
    seconds: float | None = None
    """What the whole job took, once it has ended."""

    def see(self, now: float, share: float, began: float | None = None) -> None:
        """Note how far the running job is; between two epochs nothing is new."""
        if self.began is None:
            self.began = now if began is None else began
        if share > (self.last[1] if self.last else self.initial):
            self.first, self.last = self.first or (now, share), (now, share)

    @property
    def done(self) -> float:
        """Share that is done, that before the sweep included."""
        return 1.0 if self.seconds is not None else self.last[1] if self.last else self.initial

    @property
    def measured(self) -> tuple[float, float]:
        """Seconds between the first and the last progress, and the share done in them."""
        if self.first is None or self.last is None:
            return 0.0, 0.0
        return self.last[0] - self.first[0], self.last[1] - self.first[1]


@dataclass(frozen=True)
class Span:
    """When a job ran; one that still does has no end yet."""

    began: float
    seconds: float


def at_once(ended: Sequence[Span], running: Sequence[Span]) -> float:
    """Return how many jobs run at once: as many as do now, or as did on average until now.

    Right after one has ended, its place is still empty.

    Args:
        ended: the jobs that ended.
        running: those that run, with their seconds until now.
    """
    every = [*ended, *running]
    begin = min((span.began for span in every), default=0.0)
    elapsed = max((span.began + span.seconds for span in every), default=0.0) - begin
    spent = sum(span.seconds for span in every)
    return max(1.0, len(running), spent / elapsed if elapsed > 0 else 0.0)


def remaining(
    paces: Sequence[Pace], unfinished: Sequence[Pace], now: float, places: float
) -> float | None:
    """Return the seconds until all jobs are done, or None if nothing tells or none are left.

    A share takes what it took in all jobs since each first showed progress; a job that has not, the
    start and end of those that are done on top. Without such progress (analyses, runs of one epoch)
    the mean of the jobs that are done counts.

    Args:
        paces: all jobs.
        unfinished: those that run or wait.
        now: time by the clock of the paces.
        places: jobs that run at once.
    """
    ends = [p for p in paces if p.seconds is not None]
    slowness = _slowness(paces) or _slowness_of_whole(ends)
    if slowness is None or not unfinished:
        return None
    extras = [(p.seconds or 0.0) - (1 - p.initial) * slowness for p in ends]
    extra = max(0.0, sum(extras) / len(extras)) if extras else 0.0
    rests = [_rest(pace, slowness, extra, now) for pace in unfinished]
    return max([sum(rests) / places, *rests])


def _slowness(paces: Sequence[Pace]) -> float | None:
    """Return the seconds of a whole job, its start and end left out."""
    seconds = sum(pace.measured[0] for pace in paces)
    shares = sum(pace.measured[1] for pace in paces)
    return seconds / shares if shares > 0 else None


def _slowness_of_whole(ended: Sequence[Pace]) -> float | None:
    """Return the seconds of a whole job, with all that belongs to it."""
    shares = sum(1 - pace.initial for pace in ended)
    return sum(pace.seconds or 0.0 for pace in ended) / shares if shares > 0 else None


def _rest(pace: Pace, slowness: float, extra: float, now: float) -> float:
    """Return the seconds that one job still needs; a late one ends any moment."""
    whole = (1 - pace.done) * slowness
    if pace.last is not None:
        return max(0.0, whole - (now - pace.last[0]))
    return max(0.0, whole + extra - (0.0 if pace.began is None else now - pace.began))
