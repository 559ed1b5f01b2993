"""One job of a sweep: what to call, and what becomes of it."""

from __future__ import annotations

import os
import socket
import sys
import time
import traceback
from collections.abc import Callable, Iterator
from contextlib import contextmanager, redirect_stderr, redirect_stdout
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path

from symscape.errors import SymscapeError
from symscape.runs.lock import BusyError
from symscape.runs.manifest import now

THREAD_VARIABLES = ("OMP_NUM_THREADS", "MKL_NUM_THREADS")


@dataclass(frozen=True)
class Job:
    """A call to make, in this process or in another."""

    number: int
    label: str
    """The options that differ between the jobs of the sweep."""
    call: Callable[[], float | None]
    log: Path
    """What the job prints; there as soon as it has started."""
    folder: Path | None = None
    """The folder of the run, for a training."""
    epochs: int = 0
    """Rows that its metrics.csv will have."""

    def began(self) -> float | None:
        """Return when it started, in seconds since 1970, by the first word of its log."""
        try:
            with self.log.open(encoding="utf-8") as file:
                return datetime.fromisoformat(file.readline().partition(" ")[0]).timestamp()
        except (OSError, ValueError):  # Not there, or its first line is being written.
            return None

    def fraction(self) -> float:
        """Return the share of a training that is done, by its table of metrics."""
        if self.folder is None or not self.epochs:
            return 0.0
        try:
            rows = (self.folder / "metrics.csv").read_bytes().count(b"\n") - 1
        except OSError:
            return 0.0
        return min(max(rows, 0) / self.epochs, 1.0)


@dataclass(frozen=True)
class Outcome:
    """What became of a job."""

    state: str
    """done, skipped, failed, or elsewhere: another process was at work on the same run."""
    value: float | None = None
    error: str = ""
    """One line."""
    seconds: float = 0.0


def perform(job: Job, *, place: str = "", threads: int = 0) -> Outcome:
    """Make the call of a job with all its output in its log; a failure is an outcome.

    Args:
        job: what to do.
        place: where it runs, for the log.
        threads: of torch and OpenMP; 0 leaves them as they are.
    """
    begin = time.perf_counter()
    with _output_to(job.log):
        shown = f", {threads} threads" if threads else ""
        print(f"{now()} {job.label}: {socket.gethostname()}, process {os.getpid()}{place}{shown}")
        if threads:
            _limit_threads(threads)
        try:
            state, value, error = _call(job)
        except BaseException:
            print(f"{now()} stopped")
            raise
        print(f"{now()} {state}{f': {error}' if error else ''}")
    return Outcome(state, value, error, time.perf_counter() - begin)


def _call(job: Job) -> tuple[str, float | None, str]:
    try:
        return "done", job.call(), ""
    except BusyError as error:
        return "elsewhere", None, str(error)
    except SymscapeError as error:
        return "failed", None, " ".join(str(error).split())
    except Exception as error:
        traceback.print_exc()
        return "failed", None, " ".join(f"{type(error).__name__}: {error}".split())


def _limit_threads(threads: int) -> None:
    """Keep to a share of the cores: threads that must wait for each other's core crawl."""
    for name in THREAD_VARIABLES:
        os.environ[name] = str(threads)
    if "torch" in sys.modules:  # Else it reads the variables when it is loaded.
        import torch

        torch.set_num_threads(threads)


@contextmanager
def _output_to(log: Path) -> Iterator[None]:
    """Send all that this process and its children print to a file."""
    log.parent.mkdir(parents=True, exist_ok=True)
    kept = [os.dup(number) for number in (1, 2)]
    with log.open("a", buffering=1, encoding="utf-8") as file:
        try:
            _point_output_at([file.fileno()] * 2)
            with redirect_stdout(file), redirect_stderr(file):
                yield
        finally:
            _point_output_at(kept)
            for number in kept:
                os.close(number)


def _point_output_at(files: list[int]) -> None:
    sys.stdout.flush()
    sys.stderr.flush()
    for number, file in zip((1, 2), files, strict=True):
        os.dup2(file, number)
