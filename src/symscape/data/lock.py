"""One process at a time does what all would otherwise do at once."""

from __future__ import annotations

import fcntl
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import IO

from symscape.stopping import PAUSE, safe_point


@contextmanager
def exclusive(folder: Path) -> Iterator[None]:
    """Wait until no other process works in `folder`, then hold it.

    The operating system releases the lock when its holder ends, however it ends. This saves work
    (the first job of a sweep downloads, the others wait); what is written stays whole without it,
    on file systems that do not lock across machines.
    """
    with (folder / ".lock").open("a") as handle:
        while not taken(handle):
            safe_point()
            time.sleep(PAUSE)
        yield


def taken(handle: IO[str]) -> bool:
    """Take the lock of a file, unless another process holds it."""
    try:
        fcntl.flock(handle, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError:
        return False
    return True
