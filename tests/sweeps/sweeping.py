"""Sweeps of tiny runs in processes of their own, and what they leave behind."""

import os
import re
import subprocess
import time
from collections.abc import Callable
from pathlib import Path

from symscape.runs.find import Run, find_runs
from tests.smoke.door import TINY, command, environment
from tests.smoke.forked import Forked

MARK = "SYMSCAPE_TEST_SWEEP"
RAY = ("hydra/launcher=ray", "cpus_per_job=1")
WORDS = ("-m", *TINY, "study=sweep", "trainer.precision=float32")
LONG = ("trainer.max_epochs=30", "trainer.limit_train_batches=2")


def start(folder: Path, *words: str, **variables: str) -> subprocess.Popen[str]:
    """Start a sweep, whose processes can be told by a variable of their environment."""
    folder.mkdir(exist_ok=True)
    return subprocess.Popen(
        command("train", *WORDS, *words),
        cwd=folder,
        env=environment(**{MARK: str(folder)}, RAY_worker_niceness="0", **variables),
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
        start_new_session=True,
    )


def forked(folder: Path, *words: str) -> Forked:
    """Start a sweep whose processes nobody looks for."""
    folder.mkdir(exist_ok=True)
    return Forked(folder, "train", *WORDS, *words)


def finish(process: subprocess.Popen[str] | Forked) -> tuple[int, str, str]:
    """Return exit status, output and errors of a sweep."""
    out, err = process.communicate(timeout=240)
    assert process.returncode is not None
    return process.returncode, out, err


def processes_of(folder: Path) -> list[int]:
    """Return all processes that a sweep in this folder started, however indirectly."""
    found = []
    mark = os.fsencode(f"{MARK}={folder}")
    for path in Path("/proc").glob("[0-9]*/environ"):
        try:
            if mark in path.read_bytes().split(b"\0"):
                found.append(int(path.parent.name))
        except OSError:  # It has ended, or is another user's.
            continue
    return found


def wait_for(moment: Callable[[], object], seconds: float = 300) -> None:
    """Wait until something is so."""
    end = time.monotonic() + seconds
    while not moment():
        assert time.monotonic() < end, "it never came"
        time.sleep(0.02)


def rows(folder: Path, seed: int) -> int:
    """Return how many epochs a run has finished."""
    tables = list(folder.glob(f"multirun/sweep/*/seed={seed}/metrics.csv"))
    return len(tables[0].read_text().splitlines()) - 1 if tables else 0


def logs(folder: Path) -> list[str]:
    """Return the logs of all jobs of all sweeps in a folder."""
    return [path.read_text() for path in sorted(folder.glob("multirun/.sweep/*/*.log"))]


def process_of(log: str) -> int:
    """Return the process that did a job, by its log."""
    return int(re.findall(r"process (\d+)", log)[-1])


def runs(folder: Path) -> list[Run]:
    return find_runs(folder / "multirun", "sweep")


def final_hashes(folder: Path) -> dict[str, str]:
    """Return the content of the final weights of every run, all of which are complete."""
    found = runs(folder)
    assert all(run.state == "completed" for run in found)
    return {f"{r.manifest.name} {r.manifest.seed}": r.manifest.weights["final"] for r in found}
