"""Whether tables and pictures are made of the results that are there."""

from __future__ import annotations

import hashlib
from collections.abc import Iterable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

from symscape.runs.files import write_text
from symscape.runs.lock import locked

WAIT = 600.0
"""Seconds to wait for another process that writes the same tables and pictures."""


@dataclass(frozen=True)
class Listing:
    """The results of a folder at one moment: what its tables and pictures are made of.

    Times of files would not do: while one process writes tables another adds a result, older than
    the tables and not in them. So the listing is taken first, and kept when the tables are whole.
    """

    folder: Path
    names: frozenset[str]
    stamp: str

    @classmethod
    def of(cls, folder: Path) -> Listing:
        """List the results of a folder: call it before reading them."""
        found = {path.name: path.stat() for path in folder.glob("*.json")}
        lines = (f"{name} {s.st_size} {s.st_mtime_ns}\n" for name, s in sorted(found.items()))
        stamp = hashlib.sha256("".join(lines).encode()).hexdigest()
        return cls(folder, frozenset(found), stamp)

    def is_stale(self, made_of_it: Sequence[Path]) -> bool:
        """Whether tables or pictures are missing, or were made of other results."""
        if not made_of_it or not all(path.exists() for path in made_of_it):
            return True
        try:
            return self._kept.read_text(encoding="utf-8") != self.stamp
        except (OSError, ValueError):
            return True

    def keep(self) -> None:
        """Note that tables and pictures were made of these results."""
        write_text(self._kept, self.stamp)

    def lacks(self, wanted: Iterable[Path]) -> list[Path]:
        """Return what was not there of the results that are wanted in this folder."""
        return [path for path in wanted if path.name not in self.names]

    @property
    def _kept(self) -> Path:
        return self.folder / ".tables"


@contextmanager
def writing_tables(place: Path) -> Iterator[None]:
    """Write the tables and pictures of a place alone: another process is waited for."""
    with locked(place / "tables", wait=WAIT):
        yield
