"""MNIST (LeCun et al. 1998) in the parts of MNIST-scale: few images to train on, many to test on.

MNIST-scale is that of Sohn and Lee 2012, with 12,000 images to train and validate on and 50,000 to
test on, as in Sosnovik et al. 2020. Which images these are is drawn here, sizes and angles are
in `turned`: these are not the published draws.
"""

from __future__ import annotations

from pathlib import Path

import numpy as np
import torch
from torch import Tensor
from torchvision.datasets import MNIST

from symscape.data.images import ImageSet
from symscape.data.sets.fetch import md5_of, read_or_fetch, reason
from symscape.data.split import mixed_order
from symscape.errors import SymscapeError

ROOT = "data/mnist"
# Of the unpacked files; torchvision compares those of the packed ones alone.
MD5 = {
    "train-images-idx3-ubyte": "6bbc9ace898e44ae57da46a324031adb",
    "train-labels-idx1-ubyte": "a25bea736e30d166cdddb491f175f624",
    "t10k-images-idx3-ubyte": "2646ac647ad5339dbf082846283269ea",
    "t10k-labels-idx1-ubyte": "27ae3e4e09519cfbb04c329615203637",
}
IMAGES_HEAD, LABELS_HEAD = 16, 8
"""Bytes before the pixels and before the labels of a file: a magic number and the sizes."""
SIDE = 28
CLASSES = tuple("0123456789")
TRAIN, TEST = 12_000, 50_000
"""Of 70,000."""


def load_mnist(name: str, root: str | None) -> tuple[ImageSet, ImageSet, tuple[str, ...]]:
    """Return 12,000 training images, 50,000 test images and the class names: upright, whole.

    Images are uint8, (N, 1, 28, 28). `data.val_fraction=0.1667` makes of the training images the
    10,000 and 2,000 of the protocol, within a few.

    Args:
        name: The data set that is made of them.
        root: torchvision's folder, which holds `MNIST/raw`.

    Raises:
        SymscapeError: neither the files nor a server are there, or a file is damaged.
    """
    folder = Path(root or ROOT).expanduser()
    try:
        images, labels = read_or_fetch(lambda fetch: _read(folder, fetch), folder, "MNIST (12 MB)")
    except Exception as error:  # urllib, gzip: whatever breaks, the way out is one
        raise SymscapeError(way_out(name, folder, error)) from error
    digits = ImageSet(images, labels).subset(torch.from_numpy(mixed_order(labels.numpy())))
    train, test = digits.subset(slice(TRAIN)), digits.subset(slice(TRAIN, TRAIN + TEST))
    # What is left of a mixed order is only nearly mixed.
    train, test = (p.subset(torch.from_numpy(mixed_order(p.labels.numpy()))) for p in (train, test))
    return train, test, CLASSES


def _read(folder: Path, fetch: bool) -> tuple[Tensor, Tensor]:
    """Return all images, uint8 (70,000, 1, 28, 28), and their labels; RuntimeError: not whole."""
    if fetch:
        MNIST(folder, download=True)
    raw = folder / "MNIST" / "raw"
    for file, md5 in MD5.items():
        if not (raw / file).is_file():
            raise RuntimeError(f"no {file}")
        if md5_of(raw / file) != md5:
            raise RuntimeError(f"{raw / file} is damaged: remove it")
    images, labels = (
        np.concatenate(
            [np.fromfile(raw / file, np.uint8, offset=head) for file in MD5 if kind in file]
        )
        for kind, head in (("images", IMAGES_HEAD), ("labels", LABELS_HEAD))
    )
    pixels = torch.from_numpy(images).view(-1, 1, SIDE, SIDE)
    return pixels, torch.from_numpy(labels).long()


def way_out(name: str, folder: Path, error: Exception) -> str:
    """Say in one line what was tried, where to put the files by hand, and what needs no file."""
    files = ", ".join(f"{file}.gz" for file in MD5)
    return (
        f"data={name}: no whole copy of MNIST in {folder} and no download from {MNIST.mirrors[0]} "
        f"({reason(error)}); put {files} into {folder.absolute() / 'MNIST' / 'raw'}, "
        "or use data=digits_rot: no download"
    )
