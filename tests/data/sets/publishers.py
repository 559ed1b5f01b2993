"""Small files in the formats of publishers."""

from __future__ import annotations

import gzip
import hashlib
import io
import struct
import tarfile
import zipfile
from pathlib import Path

import numpy as np


def md5(data: bytes) -> str:
    return hashlib.md5(data, usedforsecurity=False).hexdigest()


def noise(seed: int, *shape: int) -> np.ndarray:
    return np.random.default_rng(seed).integers(0, 256, shape, dtype=np.uint8)


def labels_of(count: int) -> np.ndarray:
    """Ten classes, one after the other: shuffled images cannot keep them by chance."""
    return (np.arange(count) * 10 // count).astype(np.uint8)


def table(images: np.ndarray, labels: np.ndarray) -> bytes:
    """Rows of 784 values in [0, 1], column by column, and a label, as .amat files have them."""
    values = images.transpose(0, 2, 1).reshape(len(images), -1) / 255
    rows = np.concatenate([values, labels[:, None]], 1)
    out = io.StringIO()
    np.savetxt(out, rows, fmt="%.8g")
    return out.getvalue().encode()


def zipped(path: Path, files: dict[str, bytes]) -> str:
    """Write an archive, and return its md5 sum."""
    with zipfile.ZipFile(path, "w", zipfile.ZIP_DEFLATED) as archive:
        for name, data in files.items():
            archive.writestr(name, data)
    return md5(path.read_bytes())


def tar(path: Path, files: dict[str, bytes]) -> None:
    with tarfile.open(path, "w:gz") as archive:
        for name, data in files.items():
            member = tarfile.TarInfo(name)
            member.size = len(data)
            archive.addfile(member, io.BytesIO(data))


def idx(array: np.ndarray) -> bytes:
    """The format of MNIST: a magic number, the sizes, the bytes."""
    head = struct.pack(f">I{array.ndim}I", 0x800 + array.ndim, *array.shape)
    return head + array.tobytes()


def mnist_files(train: int, test: int) -> dict[str, bytes]:
    files = {}
    for seed, (part, count) in enumerate((("train", train), ("t10k", test))):
        files[f"{part}-images-idx3-ubyte"] = idx(noise(seed, count, 28, 28))
        files[f"{part}-labels-idx1-ubyte"] = idx(labels_of(count))
    return files


def write_mnist(root: Path, files: dict[str, bytes], packed: bool = False) -> None:
    raw = root / "MNIST" / "raw"
    raw.mkdir(parents=True)
    for name, data in files.items():
        if packed:
            (raw / f"{name}.gz").write_bytes(gzip.compress(data, mtime=0))
        else:
            (raw / name).write_bytes(data)
