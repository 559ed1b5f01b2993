"""Turned MNIST digits as published (Larochelle et al. 2007): 12,000 to train on, 50,000 to test.

The archive is the user's; nothing is downloaded.
"""

from __future__ import annotations

import zipfile
from collections.abc import Iterator
from itertools import islice
from typing import IO

import numpy as np
import torch
from numpy.typing import NDArray

from symscape.data.images import ImageSet, channels_last
from symscape.data.sets.fetch import brought, md5_of, reason
from symscape.data.split import mixed_order
from symscape.errors import ConfigError
from symscape.stopping import safe_point

FILE = "mnist_rotation_new.zip"
URL = f"http://www.iro.umontreal.ca/~lisa/icml2007data/{FILE}"
MD5 = "0f9a947ff3d30e95cd685462cbf3b847"
STEM = "mnist_all_rotation_normalized_float_"
SIDE = 28
CLASSES = tuple("0123456789")
ROWS = 1000
"""Lines parsed at a time: 6 MB of numbers."""


def load_mnist_rot(root: str | None, md5: str = MD5) -> tuple[ImageSet, ImageSet, tuple[str, ...]]:
    """Return the 12,000 training images, the 50,000 test images and the class names.

    Images are uint8, (N, 1, 28, 28): published values times 255, rounded. The file lists the pixels
    of an image column by column, so rows and columns change places here, and no digit is the
    mirror image of one; most code leaves them mirrored. Costs 5 s.

    Args:
        root: The archive, or its folder.
        md5: What the archive must have.

    Raises:
        ConfigError: it is missing, or not the published one.
    """
    path = brought("mnist_rot", root, FILE, URL)
    try:
        found = md5_of(path)
        if found != md5:
            raise ConfigError("data.root", path, f"md5 {found}, not the {md5} of {FILE}; get {URL}")
        with zipfile.ZipFile(path) as archive:
            train, test = (_part(archive, path_of) for path_of in ("train_valid", "test"))
    except (OSError, zipfile.BadZipFile, KeyError, ValueError, EOFError) as error:
        why = f"no archive of two tables of 785 numbers a row ({reason(error)}); get {URL}"
        raise ConfigError("data.root", path, why) from error
    return train, test, CLASSES


def _part(archive: zipfile.ZipFile, part: str) -> ImageSet:
    with archive.open(f"{STEM}{part}.amat") as lines:
        images, labels = zip(*_tables(lines), strict=True)
    names = np.concatenate(labels)
    order = mixed_order(names)
    pixels = torch.from_numpy(np.concatenate(images)[order])
    return channels_last(pixels, torch.from_numpy(names[order]))


def _tables(lines: IO[bytes]) -> Iterator[tuple[NDArray[np.uint8], NDArray[np.int64]]]:
    """Yield images, (n, 28, 28, 1), and labels, (n,), some rows at a time."""
    while rows := list(islice(lines, ROWS)):
        safe_point()
        numbers = np.loadtxt(rows, ndmin=2)
        levels = (numbers[:, :-1] * 255).round().clip(0, 255).astype(np.uint8)
        # Column by column: the second axis of the file's image is the vertical one.
        images = levels.reshape(-1, SIDE, SIDE, 1).transpose(0, 2, 1, 3)
        yield images, numbers[:, -1].astype(np.int64)
