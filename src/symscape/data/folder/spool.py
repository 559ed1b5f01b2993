"""Decoded images between the source, which has any order, and the arrays of the cache."""

from __future__ import annotations

import hashlib
from collections.abc import Iterable, Iterator
from contextlib import closing
from pathlib import Path
from tempfile import NamedTemporaryFile
from typing import Any

import numpy as np
from numpy.typing import NDArray

from symscape.data.decoding.processes import Chunk, decode_chunks
from symscape.data.folder.cache import write_array, write_index
from symscape.data.folder.keys import draft_prefix
from symscape.data.folder.layout import SPLITS
from symscape.data.split import mixed_order
from symscape.errors import SymscapeError

BLOCK = 1 << 22
"""Bytes of images copied at a time when the final arrays are written."""


class Spool:
    """Decoded images as RGB bytes in the order in which they were read, in a draft file.

    Which channels and how many images there are is only known after the last one.
    """

    def __init__(self, place: Path, root: str, image_size: int | None) -> None:
        self.root, self.image_size = root, image_size
        self.file = NamedTemporaryFile(prefix=draft_prefix(), dir=place)  # noqa: SIM115
        self.hashes: dict[str, str] = {}
        self.first, self.size = "", (0, 0)
        self.grey = True

    def fill(self, chunks: Iterable[Chunk]) -> None:
        """Decode all files, hashing their bytes on the way."""
        # An error here ends the decoding processes here, not when its traceback is forgotten.
        with closing(decode_chunks(chunks, self.image_size)) as decoded:
            for chunk, images in decoded:
                for (path, data), (pixels, size, grey) in zip(chunk, images, strict=True):
                    self._check(path, size)
                    self.hashes[path] = hashlib.sha256(data).hexdigest()
                    self.grey &= grey
                    self.file.write(pixels)
        self.file.flush()

    def pixels(self) -> NDArray[Any]:
        """Return all images, uint8 (N, H, W, C), mapped: C is 1 where all files are greyscale."""
        shape = (len(self.hashes), *self.size, 3)
        mapped = np.memmap(self.file, np.uint8, "r", shape=shape)
        return mapped[..., :1] if self.grey else mapped

    def _check(self, path: str, size: tuple[int, int]) -> None:
        if not self.hashes:
            self.size, self.first = size, path
        elif size != self.size:
            raise SymscapeError(
                f"data.root={self.root}: {self.first} is {by(self.size)} and {path} is {by(size)} "
                "(height x width); set data.image_size=N to bring all to one size"
            )

    def __enter__(self) -> Spool:
        return self

    def __exit__(self, *_: object) -> None:
        self.file.close()  # This also deletes it.


def write_parts(folder: Path, spool: Spool, classes: tuple[str, ...]) -> None:
    """Write each part, sorted by path, then mixed: the source's order leaves no trace."""
    pixels = spool.pixels()
    position = {path: at for at, path in enumerate(spool.hashes)}
    number = {name: at for at, name in enumerate(classes)}
    files = {}
    for split in SPLITS:
        paths = sorted(path for path in position if path.startswith(f"{split}/"))
        labels = np.array([number[path.split("/")[1]] for path in paths], dtype=np.int64)
        order = mixed_order(labels)
        rows = np.array([position[path] for path in paths])[order]
        shape = (len(rows), *pixels.shape[1:])
        images, targets = f"{split}_images.npy", f"{split}_labels.npy"
        files[images] = write_array(folder / images, shape, picked(pixels, rows), "<u1")
        files[targets] = write_array(folder / targets, labels.shape, [labels[order]], "<i8")
    write_index(folder, classes, files)


def picked(pixels: NDArray[Any], rows: NDArray[Any]) -> Iterator[NDArray[Any]]:
    """Yield the images at `rows`, BLOCK bytes at a time."""
    a_block = max(1, BLOCK // pixels[0].size)
    for at in range(0, len(rows), a_block):
        yield pixels[rows[at : at + a_block]]


def by(size: tuple[int, int]) -> str:
    """Write a size as height x width."""
    return f"{size[0]}x{size[1]}"
