"""A zip or tar archive as a source of (path, bytes), read in place.

No member is ever written to disk. Members that could matter if they were (absolute paths, `..`,
links, devices) are refused nevertheless: an honest set of images has none.

Standard library alone: a finished run is recognised without loading torch.
"""

from __future__ import annotations

import hashlib
import io
import lzma
import os
import stat
import tarfile
import zipfile
import zlib
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from symscape.data.folder.layout import SPLITS, Layout, is_ignored
from symscape.errors import SymscapeError
from symscape.stopping import safe_point, waited_for

BROKEN = (tarfile.TarError, zipfile.BadZipFile, lzma.LZMAError, zlib.error, EOFError, OSError)
UNSUPPORTED = (RuntimeError, NotImplementedError)
"""What zipfile raises for encrypted members and unknown compressions."""


class Archive:
    """A `.zip`, `.tar`, `.tar.gz`, `.tar.bz2` or `.tar.xz`, recognised by its content.

    The tree may lie at the top or below one folder.
    """

    def __init__(self, root: Path) -> None:
        self.root = root
        self.is_zip = zipfile.is_zipfile(root)
        if not self.is_zip and not is_tar(root):
            raise SymscapeError(f"data.root={root}: neither a folder nor a zip or tar archive")

    def fingerprint(self) -> str:
        """Hash the archive's path, size and time of change: one stat."""
        now = self.root.stat()
        text = f"{self.root.resolve()}\0{now.st_size}\0{now.st_mtime_ns}"
        return hashlib.sha256(os.fsencode(text)).hexdigest()

    def read(self, layout: Layout) -> Iterator[tuple[str, bytes]]:
        """Yield each image's path (from `train/` or `test/` on) and bytes, in archive order.

        A tar archive is streamed once; its layout can only be checked after the last image.
        """
        places = Places(layout)
        with readable(self.root):
            yield from self._read_zip(places) if self.is_zip else self._read_tar(places)
        layout.classes()

    def _read_tar(self, places: Places) -> Iterator[tuple[str, bytes]]:
        with (
            Stoppable(self.root.open("rb", buffering=0)) as file,
            tarfile.open(self.root, "r|*", file) as archive,
        ):
            for member in archive:
                if not (member.isfile() or member.isdir()):
                    places.refuse(member.name, "a link or a device")
                path = places.of(member.name, member.isdir())
                if path and (data := archive.extractfile(member)):
                    yield path, data.read()

    def _read_zip(self, places: Places) -> Iterator[tuple[str, bytes]]:
        # The list of a million members takes ten seconds to read.
        with waited_for(lambda: zipfile.ZipFile(self.root)) as archive:
            members = []
            for member in archive.infolist():
                safe_point()
                if stat.S_IFMT(member.external_attr >> 16) not in (0, stat.S_IFREG, stat.S_IFDIR):
                    places.refuse(member.filename, "a link or a device")
                members.append((places.of(member.filename, member.is_dir()), member))
            places.layout.classes()
            places.layout.total = sum(path is not None for path, _ in members)
            for path, member in members:
                safe_point()
                if path:
                    yield path, archive.read(member)


class Stoppable(io.BufferedReader):
    """A file whose reading a signal may end: also where large members are passed over."""

    def read(self, size: int | None = -1, /) -> bytes:
        """Return the next bytes; tarfile asks for 10 kB at a time."""
        safe_point()
        return super().read(size)


class Places:
    """Turns member names into paths below the one tree of an archive."""

    def __init__(self, layout: Layout) -> None:
        self.layout = layout
        self.top: str | None = None

    def of(self, name: str, is_folder: bool) -> str | None:
        """Return `train/<class>/<name>` for an image, None for all else.

        Raises:
            SymscapeError: the name leads out of the archive, or there are two trees.
        """
        parts = name.replace("\\", "/").split("/")
        if parts[0] == "" or ".." in parts:
            self.refuse(name, "a path that leads outside")
        parts = [part for part in parts if part not in ("", ".")]
        tree = next((i for i, part in enumerate(parts[:2]) if part in SPLITS), None)
        if not parts or is_ignored(parts):
            return None
        if tree is None:
            self.layout.elsewhere.add(parts[0])
            return None
        self._one_tree("/".join(parts[:tree]))
        path = "/".join(parts[tree:])
        self.layout.add(path, is_folder=is_folder)
        return None if is_folder else path

    def refuse(self, name: str, what: str) -> None:
        """Raise a SymscapeError that names the member."""
        self.layout.fail(f"refused, for its member {name} is {what}")

    def _one_tree(self, top: str) -> None:
        self.top = top if self.top is None else self.top
        if top != self.top:
            self.layout.fail(f"holds two trees, below '{self.top}/' and '{top}/'")


def is_tar(path: Path) -> bool:
    """Whether `path` begins like a tar archive of any compression."""
    try:
        with tarfile.open(path, "r|*"):
            return True
    except (tarfile.TarError, lzma.LZMAError, zlib.error, EOFError, ValueError):
        return False


@contextmanager
def readable(path: Path) -> Iterator[None]:
    """Turn what the archive modules raise into one line that names the archive."""
    try:
        yield
    except (*BROKEN, *UNSUPPORTED) as error:
        why = " ".join(str(error).split()) or type(error).__name__
        raise SymscapeError(f"data.root={path}: broken archive ({why})") from error
