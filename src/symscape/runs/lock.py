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

    The lock file lies beside the folder, so that setting the folder aside does not move it. Where
    its holder made nothing of the folder, no trace of the lock is left.

    Args:
        folder: what to lock.
        wait: seconds to wait for it. Never none: `is_locked` takes it for an instant too.

    Raises:
        BusyError: another process holds it.
        SymscapeError: the file cannot be written.
    """
    path = folder.with_name(f".{folder.name}.lock")
    new = [parent for parent in path.parents if not parent.exists()]
    handle = _taken(folder, path, time.monotonic() + wait)
    try:
        yield
    finally:
        if not folder.exists():
            _clear(path, new)
        os.close(handle)


def _taken(folder: Path, path: Path, end: float) -> int:
    """Return the handle of the lock file, locked."""
    while True:
        handle = _opened(path)
        try:
            _wait(handle, folder, path, end)
            if _is_at(handle, path):
                return handle
        except BaseException:
            os.close(handle)
            raise
        os.close(handle)  # Whoever held it has removed the file: others lock a new one.


def _opened(path: Path) -> int:
    for last in (False, True):
        try:
            path.parent.mkdir(parents=True, exist_ok=True)
            return os.open(path, os.O_RDWR | os.O_CREAT, 0o644)
        except FileNotFoundError as error:  # Another process has just removed its empty folder.
            if last:
                raise cannot_write(path, error) from error
        except OSError as error:
            raise cannot_write(path, error) from error
    raise AssertionError("the last of two attempts returns or raises")


def _wait(handle: int, folder: Path, path: Path, end: float) -> None:
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


def _is_at(handle: int, path: Path) -> bool:
    """Whether an open file is still the one of this name."""
    try:
        return os.path.samestat(os.fstat(handle), path.stat())
    except FileNotFoundError:
        return False


def _clear(path: Path, new: list[Path]) -> None:
    """Remove a lock file that is held, and of the folders that were made for it the empty ones."""
    with suppress(OSError):
        path.unlink()
        for folder in new:  # The innermost first.
            folder.rmdir()


def is_locked(folder: Path) -> bool:
    """Whether a process holds the lock of a run's folder."""
    path = folder.with_name(f".{folder.name}.lock")
    with suppress(FileNotFoundError), path.open("rb") as file:
        try:
            fcntl.flock(file, fcntl.LOCK_SH | fcntl.LOCK_NB)
        except BlockingIOError:
            return True
    return False
