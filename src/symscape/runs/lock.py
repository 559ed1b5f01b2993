"""One process a run or a result: a lock that the system releases when its holder dies."""

from __future__ import annotations

import fcntl
import os
import time
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path

from symscape.errors import SymscapeError
from symscape.runs.files import cannot_write
from symscape.stopping import safe_point

PAUSE = 0.05


class BusyError(SymscapeError):
    """Another process is at work on the same thing."""


@contextmanager
def locked(folder: Path, wait: float = 0.2) -> Iterator[None]:
    """Hold the lock of a run's folder, or of a result's file.

    The lock file lies beside the folder, so that setting the folder aside does not move it.

    Args:
        folder: what to lock.
        wait: seconds to wait for it. Never none: `is_locked` takes it for an instant too.

    Raises:
        BusyError: another process holds it.
        SymscapeError: the file cannot be written.
    """
    path = folder.with_name(f".{folder.name}.lock")
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        handle = os.open(path, os.O_RDWR | os.O_CREAT, 0o644)
    except OSError as error:
        raise cannot_write(path, error) from error
    try:
        _take(handle, folder, path, wait)
        yield
    finally:
        os.close(handle)


def _take(handle: int, folder: Path, path: Path, wait: float) -> None:
    end = time.monotonic() + wait
    while True:
        try:
            fcntl.flock(handle, fcntl.LOCK_EX | fcntl.LOCK_NB)
            break
        except BlockingIOError:
            if time.monotonic() > end:
                holder = os.pread(handle, 32, 0).decode(errors="replace").strip()
                raise BusyError(f"{folder}: process {holder} is at work on it") from None
            time.sleep(PAUSE)
            safe_point()
        except OSError as error:
            raise cannot_write(path, error) from error
    with suppress(OSError):  # The name of the holder is a courtesy; a full disk may refuse it.
        os.ftruncate(handle, 0)
        os.pwrite(handle, str(os.getpid()).encode(), 0)


def is_locked(folder: Path) -> bool:
    """Whether a process holds the lock of a run's folder."""
    path = folder.with_name(f".{folder.name}.lock")
    if not path.exists():
        return False
    with path.open("rb") as file:
        try:
            fcntl.flock(file, fcntl.LOCK_SH | fcntl.LOCK_NB)
        except BlockingIOError:
            return True
    return False
