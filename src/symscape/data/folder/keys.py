"""Where decoded images are kept, and under which keys.

Standard library alone: a finished run is recognised without loading torch.
"""

from __future__ import annotations

import errno
import hashlib
import os
import re
import socket
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from symscape.config.data import DataConfig
from symscape.errors import SymscapeError

CACHE = ".symscape-cache"
FULL = (errno.ENOSPC, errno.EDQUOT)


def combine(hashes: dict[str, str]) -> str:
    """Return one key of the sha256 of each image's bytes, by relative path, in any order."""
    lines = (f"{path}\0{hashes[path]}\n" for path in sorted(hashes))
    return hashlib.sha256(os.fsencode("".join(lines))).hexdigest()


def cache_folder(config: DataConfig) -> Path:
    """Return `data.cache`, or `.symscape-cache` beside the tree or archive.

    Images in a folder that nobody may write to are kept in the user's cache folder.
    """
    if config.cache:
        return Path(config.cache).expanduser()
    beside = Path(str(config.root)).expanduser().resolve().parent
    if (beside / CACHE).exists() or os.access(beside, os.W_OK):
        return beside / CACHE
    return Path(os.environ.get("XDG_CACHE_HOME") or Path.home() / ".cache") / "symscape"


def remembered(cache: Path, fingerprint: str) -> str | None:
    """Return the content key that belongs to a fingerprint, if it was found before."""
    try:
        key = (cache / "keys" / fingerprint).read_text()
    except OSError:  # Not there, or not readable: then `build` says what is wrong with the folder.
        return None
    return key if re.fullmatch("[0-9a-f]{64}", key) else None


def remember(cache: Path, fingerprint: str, key: str) -> None:
    """Keep a content key under a fingerprint, whole or not at all."""
    draft = cache / f"{draft_prefix()}{os.getpid()}-key"
    draft.write_text(key)
    (cache / "keys").mkdir(exist_ok=True)
    draft.replace(cache / "keys" / fingerprint)


def draft_prefix() -> str:
    """Return how names of unfinished files of this machine begin."""
    return f".draft-{socket.gethostname()}-"


@contextmanager
def writable(cache: Path) -> Iterator[None]:
    """Make the cache folder and turn what goes wrong in it into one line.

    Raises:
        SymscapeError: the folder cannot be written to, or the disk is full.
    """
    try:
        cache.mkdir(parents=True, exist_ok=True)
        yield
    except OSError as error:
        what = "the disk is full" if error.errno in FULL else f"{error.strerror or error}"
        raise SymscapeError(
            f"data.cache={cache}: cannot keep the decoded images ({what}); set data.cache=FOLDER "
            "to a folder that you may write to, with room for them"
        ) from error
