"""Calling the doors in children of one process that has the libraries loaded already.

What happens is what `call` makes happen, without the five seconds that an interpreter takes to
import Lightning: a process of its own, its own folder, variables, words, output and exit status.
Each door is called as a user does too, by `call`.
"""

import multiprocessing
import os
import runpy
import subprocess
import sys
import tempfile
from pathlib import Path

from tests.smoke.door import command, environment

_SERVER = multiprocessing.get_context("forkserver")
# Not `symscape.door`, which reads the environment of its process.
_SERVER.set_forkserver_preload(["symscape", "symscape.training.fit", "symscape.plots.run", "hydra"])


def forked(
    folder: Path, door: str, *words: str, **variables: str
) -> subprocess.CompletedProcess[str]:
    """Call a door as `call` does."""
    line = command(door, *words)
    with tempfile.TemporaryDirectory() as place:
        out, err = (Path(place) / name for name in ("out", "err"))
        arguments = (line[1:], str(folder), environment(**variables), out, err)
        child = _SERVER.Process(target=_be, args=arguments)
        child.start()
        child.join(280)
        if child.exitcode is None:
            child.kill()
            child.join()
            raise subprocess.TimeoutExpired(line, 280, out.read_bytes(), err.read_bytes())
        return subprocess.CompletedProcess(line, child.exitcode, out.read_text(), err.read_text())


def _be(words: list[str], folder: str, variables: dict[str, str], out: Path, err: Path) -> None:
    """Become the door: what this process was is gone."""
    import torch

    torch.set_num_threads(1)  # OMP_NUM_THREADS was read when the libraries were loaded.
    os.chdir(folder)
    os.environ.clear()
    os.environ.update(variables)
    for stream, path in ((sys.stdout, out), (sys.stderr, err)):
        stream.flush()
        os.dup2(os.open(path, os.O_WRONLY | os.O_CREAT), stream.fileno())
    sys.argv = words
    sys.path[0] = str(Path(words[0]).parent)
    runpy.run_path(words[0], run_name="__main__")
