"""CIFAR-10 and CIFAR-100 (Krizhevsky 2009), downloaded on first use."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import torch
from torchvision.datasets import CIFAR10, CIFAR100

from symscape.data.images import ImageSet, channels_last
from symscape.data.sets.fetch import read_or_fetch, reason
from symscape.data.split import mixed_order
from symscape.errors import SymscapeError

ROOT = "data/cifar"
SOURCES: dict[str, type[CIFAR10]] = {
    "cifar10": CIFAR10,
    "cifar100": CIFAR100,
    "cifar10_rot": CIFAR10,
}


def load_cifar(name: str, root: str | None) -> tuple[ImageSet, ImageSet, tuple[str, ...]]:
    """Return the 50,000 training images, the 10,000 test images and the class names.

    torchvision compares the md5 sum of every file with the published one before it unpickles it.

    Raises:
        SymscapeError: neither the files nor the server are there, or a file is damaged.
    """
    folder = Path(root or ROOT).expanduser()
    try:
        train, test = read_parts(name, folder)
    except Exception as error:  # urllib, tarfile, zlib, pickle: whatever breaks, the way out is one
        raise SymscapeError(way_out(name, folder, error)) from error
    return mixed(train), mixed(test), tuple(train.classes)


def read_parts(name: str, folder: Path) -> tuple[Any, Any]:
    """Return torchvision's two parts; the folder is written to only where files are missing."""
    source = SOURCES[name]

    def read(fetch: bool) -> tuple[Any, Any]:
        how = {"download": True} if fetch else {}
        return source(folder, train=True, **how), source(folder, train=False)

    return read_or_fetch(read, folder, f"{name} (170 MB)")


def mixed(source: Any) -> ImageSet:
    """Return torchvision's images in the order that `split` cuts."""
    labels = torch.tensor(source.targets)
    order = torch.from_numpy(mixed_order(labels.numpy()))
    # torchvision's array is a transposed view of the planar file.
    images = torch.from_numpy(source.data)[order].contiguous()
    return channels_last(images, labels[order])


def way_out(name: str, folder: Path, error: Exception) -> str:
    """Say in one line what was tried, where to put the file by hand, and what needs no file."""
    source = SOURCES[name]
    return (
        f"data={name}: no whole copy in {folder} and no download from {source.url} "
        f"({reason(error)}); "
        f"put {source.filename} into {folder.absolute()}, or use data=digits: no download"
    )
