"""A folder of images on disk as a source of (path, bytes).

Standard library alone: a finished run is recognised without loading torch.
"""

from __future__ import annotations

import hashlib
import os
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from symscape.data.folder.layout import SPLITS, Layout, is_ignored
from symscape.errors import SymscapeError
from symscape.stopping import safe_point


class Tree:
    """`train/<class>/*` and `test/<class>/*` below `root`; links on disk are followed."""

    def __init__(self, root: Path) -> None:
        self.root = root

    def fingerprint(self) -> str:
        """Hash the paths, sizes and times of change: a stat (4 us) an image, no content."""
        digest = hashlib.sha256(os.fsencode(self.root.resolve()))
        with readable(self.root):
            for path, entry in self._entries():
                stat = entry.stat()
                digest.update(os.fsencode(f"{path}\0{stat.st_size}\0{stat.st_mtime_ns}\n"))
        return digest.hexdigest()

    def read(self, layout: Layout) -> Iterator[tuple[str, bytes]]:
        """Yield each image's relative path and bytes; the layout is checked before the first."""
        with readable(self.root):
            files = self._listed(layout)
            for path, place in files:
                safe_point()
                yield path, Path(place).read_bytes()

    def _listed(self, layout: Layout) -> list[tuple[str, str]]:
        files = []
        layout.elsewhere |= {entry.name for entry in scan(self.root)}
        for path, entry in self._entries():
            layout.add(path, is_folder=entry.is_dir())
            files += [] if entry.is_dir() else [(path, entry.path)]
        layout.classes()
        layout.total = len(files)
        return files

    def _entries(self) -> Iterator[tuple[str, os.DirEntry[str]]]:
        for split in SPLITS:
            for folder in scan(self.root / split) if (self.root / split).is_dir() else []:
                name = f"{split}/{folder.name}"
                yield name, folder
                for entry in scan(folder.path) if folder.is_dir() else []:
                    safe_point()
                    yield f"{name}/{entry.name}", entry


def scan(folder: str | Path) -> list[os.DirEntry[str]]:
    """Return what a folder holds, sorted by name, without what `is_ignored` names."""
    with os.scandir(folder) as entries:
        return sorted((e for e in entries if not is_ignored((e.name,))), key=lambda e: e.name)


@contextmanager
def readable(root: Path) -> Iterator[None]:
    """Turn what the operating system refuses into one line that names the file."""
    try:
        yield
    except OSError as error:
        name = os.fspath(error.filename or root)
        raise SymscapeError(f"data.root={root}: cannot read {name} ({error.strerror})") from error
