"""Writing files so that a reader, or a run after a crash, sees the old one or the whole new one."""

from __future__ import annotations

import hashlib
import os
from collections.abc import Iterator
from contextlib import contextmanager
from functools import lru_cache
from pathlib import Path

from symscape.errors import ConfigError, SymscapeError


@contextmanager
def replacing(path: Path) -> Iterator[Path]:
    """Give a temporary path beside `path`; on leaving, flush it to disk and put it in place.

    Raises:
        SymscapeError: the disk is full or the file cannot be written; `path` is as it was.
    """
    part = path.with_name(f"{path.name}.part")
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        yield part
        with part.open("rb") as file:
            os.fsync(file.fileno())
        part.replace(path)
    except OSError as error:
        part.unlink(missing_ok=True)
        raise cannot_write(path, error) from error
    except BaseException:
        part.unlink(missing_ok=True)
        raise


def cannot_write(path: Path, error: OSError) -> SymscapeError:
    """Return the one-line error for a file that could not be written."""
    return SymscapeError(f"{path}: cannot be written: {error.strerror or error}")


def write_text(path: Path, text: str) -> None:
    """Write a text file, all or nothing."""
    with replacing(path) as part:
        part.write_text(text, encoding="utf-8")


def file_key(key: str, path: str) -> str:
    """Return the sha256 of a file that a setting names: which one it is, whatever its place.

    Raises:
        ConfigError: it cannot be read.
    """
    try:
        about = Path(path).stat()
        return _sha256(path, about.st_mtime_ns, about.st_size)
    except OSError as error:
        raise ConfigError(key, path, f"cannot be read: {error.strerror or error}") from error


@lru_cache  # Every job of a sweep asks.
def _sha256(path: str, _changed: int, _size: int) -> str:
    with Path(path).open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()
