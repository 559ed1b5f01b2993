"""Decoded images on disk: plain arrays, and an index that tells whether they are whole.

A cache is written into a draft folder and renamed when it is whole, so a kill in the middle, or
two processes at once, never leave half a cache under the final name.
"""

from __future__ import annotations

import hashlib
import io
import json
import os
import shutil
import tempfile
from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import IO, Any

import numpy as np
from numpy.typing import NDArray

from symscape.data.folder.keys import draft_prefix
from symscape.errors import SymscapeError
from symscape.stopping import safe_point

INDEX = "index.json"
FORMAT = 1
ARRAYS = ("train_images", "train_labels", "test_images", "test_labels")
BLOCK = 1 << 22
"""Bytes hashed at a time."""
SYNCED = 1 << 27
"""Bytes written before the disk is waited for, which nothing can cut short."""


@contextmanager
def draft(final: Path) -> Iterator[Path]:
    """Yield an empty folder that becomes `final` on success and vanishes otherwise.

    Where another process was faster its folder stays: both hold the same.
    """
    folder = Path(tempfile.mkdtemp(prefix=draft_prefix(), dir=final.parent))
    try:
        yield folder
        if not final.exists():
            folder.replace(final)
    finally:
        shutil.rmtree(folder, ignore_errors=True)


def sweep(cache: Path) -> None:
    """Remove what killed processes of this machine left; call it holding the lock of `cache`."""
    for left in cache.glob(f"{draft_prefix()}*"):
        if left.is_dir():
            shutil.rmtree(left, ignore_errors=True)
        else:
            left.unlink(missing_ok=True)


def write_array(
    path: Path, shape: tuple[int, ...], blocks: Iterable[NDArray[Any]], dtype: str
) -> dict[str, Any]:
    """Write an .npy file block by block; return its entry for the index.

    Ordinary writes, not a mapped file: on a full disk those raise, a mapping kills the process.
    """
    header = io.BytesIO()
    about = {"descr": np.dtype(dtype).str, "fortran_order": False, "shape": shape}
    np.lib.format.write_array_header_1_0(header, about)
    digest = hashlib.sha256(header.getvalue())
    with path.open("wb") as file:
        synced = file.write(header.getvalue())
        for block in blocks:
            safe_point()
            data = np.ascontiguousarray(block, dtype).data.cast("B")
            digest.update(data)
            file.write(data)
            if file.tell() - synced > SYNCED:
                synced = sync(file)
        return {"bytes": sync(file), "sha256": digest.hexdigest()}


def sync(file: IO[Any]) -> int:
    """Wait until what was written is on the disk; return how many bytes that is."""
    file.flush()
    os.fsync(file.fileno())
    return file.tell()


def write_index(folder: Path, classes: tuple[str, ...], files: dict[str, dict[str, Any]]) -> None:
    """Write the class names and the size and hash of each array."""
    index = {"format": FORMAT, "classes": classes, "files": files}
    with (folder / INDEX).open("w") as file:
        json.dump(index, file, indent=1)
        sync(file)


def read_cache(folder: Path) -> tuple[dict[str, NDArray[Any]], tuple[str, ...]]:
    """Return the arrays by name, mapped from disk (copied on write), and the class names.

    Reads and hashes every byte (1.5 GB/s), which also brings them into memory for training.

    Raises:
        SymscapeError: a file is missing, cut or altered; it is named.
    """
    try:
        index = json.loads((folder / INDEX).read_text())
        if index["format"] != FORMAT:
            raise ValueError(f"format {index['format']}, this version reads {FORMAT}")
        files, classes = index["files"], tuple(index["classes"])
        arrays = {name: read_array(folder / f"{name}.npy", files[f"{name}.npy"]) for name in ARRAYS}
    except (OSError, ValueError, KeyError, TypeError) as error:
        raise damaged(folder, f"{INDEX} or what it lists ({error})") from error
    return arrays, classes


def read_array(path: Path, entry: dict[str, Any]) -> NDArray[Any]:
    """Map one array after its size and hash are found to be those of the index."""
    size = path.stat().st_size
    if size != entry["bytes"]:
        raise damaged(path.parent, f"{path.name} has {size} bytes instead of {entry['bytes']}")
    if file_hash(path) != entry["sha256"]:
        raise damaged(path.parent, f"{path.name} was altered")
    array: NDArray[Any] = np.load(path, mmap_mode="c", allow_pickle=False)
    return array


def file_hash(path: Path) -> str:
    """Return the sha256 of a file."""
    digest, buffer = hashlib.sha256(), bytearray(BLOCK)
    with path.open("rb", buffering=0) as file:
        while count := file.readinto(buffer):
            safe_point()
            digest.update(memoryview(buffer)[:count])
    return digest.hexdigest()


def damaged(folder: Path, what: str) -> SymscapeError:
    """Return the error for a cache that is not as it was written."""
    return SymscapeError(f"damaged cache {folder}: {what}; delete that folder to decode again")
