"""Calling the doors in children of one process that has the libraries loaded already.

What happens is what `call` makes happen, without the five seconds that an interpreter takes to
import Lightning: a process of its own, its own folder, variables, words, output and exit status.
Only its pictures are sketches. Each door is called as a user does too, by `call`.
"""

import multiprocessing
import os
import runpy
import signal
import subprocess
import sys
import tempfile
from pathlib import Path

from tests.smoke.door import command, environment

_SERVER = multiprocessing.get_context("forkserver")
# Not `symscape.door`, which reads the environment of its process.
_SERVER.set_forkserver_preload(
    [
        "hydra",
        "pytest",  # The main module of a test session, which every child looks into.
        "symscape.training.fit",
        "symscape.plots.run",
        *(f"symscape.jobs.{name}.job" for name in ("train", "interpolate", "sharpness", "audit")),
        "tests.sketches",
    ]
)


class Forked:
    """A door at work: what `subprocess.Popen` is for a process that is started."""

    def __init__(self, folder: Path, door: str, *words: str, **variables: str) -> None:
        self.args = command(door, *words)
        self._place = tempfile.TemporaryDirectory()
        self._streams = [Path(self._place.name) / name for name in ("out", "err")]
        for stream in self._streams:
            stream.touch()
        arguments = (self.args[1:], str(folder), environment(**variables), *self._streams)
        self._process = _SERVER.Process(target=_be, args=arguments)
        self._process.start()

    @property
    def pid(self) -> int:
        assert self._process.pid is not None
        return self._process.pid

    @property
    def returncode(self) -> int | None:
        return self.poll()

    def poll(self) -> int | None:
        return self._process.exitcode

    def send_signal(self, number: int) -> None:
        if self.poll() is None:
            os.kill(self.pid, number)

    def kill(self) -> None:
        self.send_signal(signal.SIGKILL)

    def wait(self, timeout: float = 280) -> int:
        """Return the exit status: minus its number if a signal ended it."""
        self._process.join(timeout)
        status = self.poll()
        if status is None:
            self.kill()
            self._process.join()
            raise subprocess.TimeoutExpired(self.args, timeout, *self.output())
        return status

    def communicate(self, timeout: float = 280) -> tuple[str, str]:
        """Wait until it has ended; return what it printed."""
        self.wait(timeout)
        return self.output()

    def output(self) -> tuple[str, str]:
        """Return what it has printed so far."""
        out, err = (stream.read_text() for stream in self._streams)
        return out, err


def forked(
    folder: Path, door: str, *words: str, **variables: str
) -> subprocess.CompletedProcess[str]:
    """Call a door as `call` does."""
    process = Forked(folder, door, *words, **variables)
    status = process.wait()
    return subprocess.CompletedProcess(process.args, status, *process.output())


def _be(words: list[str], folder: str, variables: dict[str, str], out: Path, err: Path) -> None:
    """Become the door: what this process was is gone."""
    import torch
    from matplotlib.figure import Figure

    from tests.sketches import sketch

    Figure.savefig = sketch  # type: ignore[method-assign]
    torch.set_num_threads(1)  # OMP_NUM_THREADS was read when the libraries were loaded.
    os.chdir(folder)
    os.environ.clear()
    os.environ.update(variables)
    for stream, path in ((sys.stdout, out), (sys.stderr, err)):
        stream.flush()
        os.dup2(os.open(path, os.O_WRONLY | os.O_APPEND), stream.fileno())
    sys.argv = words
    sys.path[0] = str(Path(words[0]).parent)
    runpy.run_path(words[0], run_name="__main__")
