"""Files of data sets: fetched on first use, or brought by the user; whole, or not read at all."""

from __future__ import annotations

import hashlib
import io
import socket
import sys
from collections.abc import Callable, Iterator
from contextlib import contextmanager, nullcontext, redirect_stderr, redirect_stdout
from pathlib import Path
from typing import Any, TypeVar

from rich.console import Console

from symscape.data.lock import exclusive
from symscape.errors import ConfigError
from symscape.stopping import safe_point, waited_for

T = TypeVar("T")
PATIENCE = 10.0
"""Seconds of silence after which a server counts as unreachable."""
BLOCK = 1 << 24
"""Bytes compared at a time."""


def read_or_fetch(read: Callable[[bool], T], folder: Path, what: str) -> T:
    """Return what `read` returns; `folder` is written to only where files are missing.

    Args:
        read: Reads the files, and fetches them before if its argument says so; RuntimeError: they
            are missing or damaged.
        folder: Where they are, or go.
        what: Name and size, for a terminal.
    """
    try:
        return waited_for(lambda: read(False))
    except RuntimeError:  # Fetched again, or unpacked again from the archive.
        folder.mkdir(parents=True, exist_ok=True)
    with exclusive(folder), patience(PATIENCE), notice(what, folder), quiet():
        # After a signal it goes on without the lock until the process ends. What it leaves, cut or
        # written by two, has another md5 sum, and is fetched again.
        return waited_for(lambda: read(True))


def reason(error: Exception) -> str:
    """Return what an error says, in one line."""
    return " ".join(str(error).split()) or type(error).__name__


@contextmanager
def patience(seconds: float) -> Iterator[None]:
    """Let sockets opened meanwhile give up: torchvision opens them without a time limit."""
    before = socket.getdefaulttimeout()
    socket.setdefaulttimeout(seconds)
    try:
        yield
    finally:
        socket.setdefaulttimeout(before)


@contextmanager
def quiet() -> Iterator[None]:
    """Keep torchvision's progress bars out of the log."""
    with redirect_stdout(io.StringIO()), redirect_stderr(io.StringIO()):
        yield


def notice(what: str, folder: Path) -> Any:
    """Return a context that tells a terminal what takes so long."""
    console = Console(file=sys.stderr)  # The real one: `quiet` replaces what sys.stderr names.
    if not console.is_terminal:
        return nullcontext()
    return console.status(f"fetching {what} into {folder}")


def brought(name: str, root: str | None, file: str, source: str) -> Path:
    """Return the path of a file that `data.root` names, or that lies in the folder it names.

    Args:
        name: The data set.
        root: What the user says.
        file: What the publisher calls it; a file that `data.root` names may have another name.
        source: Where it is to be had.

    Raises:
        ConfigError: no such file.
    """
    where = f"get it from {source}"
    if not root:
        raise ConfigError(
            "data.root", root, f"data={name} needs data.root=PATH of {file} or its folder; {where}"
        )
    path = Path(root).expanduser()
    try:
        path = path / file if path.is_dir() else path
        there = path.is_file()
    except OSError as error:  # A folder that may not be entered.
        raise ConfigError("data.root", root, f"not readable ({reason(error)})") from error
    if not there:
        raise ConfigError("data.root", root, f"data={name} finds no {file} there; {where}")
    return path


def md5_of(path: Path) -> str:
    """Return the md5 sum of a file (0.6 GB/s)."""
    digest = hashlib.md5(usedforsecurity=False)
    with path.open("rb") as handle:
        while block := handle.read(BLOCK):
            safe_point()
            digest.update(block)
    return digest.hexdigest()
