"""Small folders and archives of real images."""

from __future__ import annotations

import tarfile
import zipfile
from pathlib import Path
from typing import Any

import numpy as np
from PIL import Image

from symscape.config.data import DataConfig


def make_tree(
    root: Path,
    classes: tuple[str, ...] = ("cat", "dog"),
    train: int = 5,
    test: int = 2,
    size: tuple[int, int] = (6, 8),
    channels: int = 3,
    suffix: str = "png",
) -> Path:
    """Write `train/<class>/<i>.png` and `test/<class>/<i>.png`; every image is different."""
    random = np.random.default_rng(0)
    for split, count in (("train", train), ("test", test)):
        for of in classes:
            (root / split / of).mkdir(parents=True)
            for i in range(count):
                pixels = random.integers(0, 256, (*size, channels), dtype=np.uint8)
                Image.fromarray(pixels.squeeze()).save(root / split / of / f"{i}.{suffix}")
    return root


def pack(tree: Path, archive: Path, top: str = "") -> Path:
    """Put a tree into a zip or tar archive, below the folder `top`."""
    if archive.suffix == ".zip":
        with zipfile.ZipFile(archive, "w") as out:
            for path in sorted(tree.rglob("*")):
                out.write(path, f"{top}/{path.relative_to(tree)}".strip("/"))
    else:
        kind = "" if archive.suffix == ".tar" else archive.suffix[1:]
        with tarfile.open(archive, f"w:{kind}") as out:  # type: ignore[call-overload]
            out.add(tree, top or ".")
    return archive


def config_of(root: Path, **other: Any) -> DataConfig:
    usual = {"name": "folder", "root": str(root), "batch_size": 2, "val_fraction": 0}
    return DataConfig(**usual | other)


def read_pixels(path: Path) -> np.ndarray:
    """Return an image file as (C, H, W)."""
    pixels = np.asarray(Image.open(path))
    return np.atleast_3d(pixels).transpose(2, 0, 1)
