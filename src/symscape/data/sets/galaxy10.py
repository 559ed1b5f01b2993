"""Galaxy10 SDSS: 69 x 69 images of galaxies in ten classes of shape, which any turn leaves.

Leung and Bovy 2018 (astroNN), from the Sloan Digital Sky Survey and Galaxy Zoo (Lintott et al.
2008, 2011). The file is the user's.
"""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray

from symscape.data.images import ImageSet, channels_last
from symscape.data.sets.fetch import brought, reason
from symscape.data.split import held_out, mixed_order
from symscape.errors import ConfigError, SymscapeError
from symscape.stopping import waited_for

FILE = "Galaxy10.h5"
URL = "https://zenodo.org/records/10844811"
SIDE = 69
CLASSES = (
    "face-on disk, no spiral",
    "smooth, round",
    "smooth, in-between",
    "smooth, cigar-shaped",
    "edge-on disk, rounded bulge",
    "edge-on disk, boxy bulge",
    "edge-on disk, no bulge",
    "face-on disk, tight spiral",
    "face-on disk, medium spiral",
    "face-on disk, loose spiral",
)
TEST_FRACTION = 0.2


def load_galaxy10(root: str | None) -> tuple[ImageSet, ImageSet, tuple[str, ...]]:
    """Return the training images, the test images (a fixed stratified fifth) and the class names.

    Images are uint8, (N, 3, 69, 69). There is no published split. Of the 17 galaxies with a boxy
    bulge 3 are tested and 14 left, of which `data.val_fraction=0.1` holds one out, and less than
    0.036 none. The number of images is not checked: the publisher's 21,785 is not the sum of the
    publisher's classes. Costs 3 s.

    Raises:
        SymscapeError: h5py or the file is missing, or the file holds something else.
    """
    path = brought("galaxy10", root, FILE, URL)
    try:
        images, labels = waited_for(lambda: _read(path))
    except ImportError:
        raise SymscapeError(
            "data=galaxy10: h5py is not installed; pip install 'symscape[galaxy]'"
        ) from None
    except (OSError, KeyError, TypeError, RuntimeError) as error:
        why = f"no HDF5 file with `images` and `ans` ({reason(error)}); get {FILE} from {URL}"
        raise ConfigError("data.root", path, why) from error
    _check(path, images, labels)
    names = labels.astype(np.int64)
    order = mixed_order(names)
    cut = held_out(names[order], TEST_FRACTION)
    rest = order[cut:]
    # What is left of a mixed order is only nearly mixed.
    rest = rest[mixed_order(names[rest])]
    train, test = (
        channels_last(torch.from_numpy(images[part]), torch.from_numpy(names[part]))
        for part in (rest, order[:cut])
    )
    return train, test, CLASSES


def _read(path: Path) -> tuple[NDArray[Any], NDArray[Any]]:
    import h5py

    with h5py.File(path, "r") as file:
        return np.asarray(file["images"][()]), np.asarray(file["ans"][()])


def _check(path: Path, images: NDArray[Any], labels: NDArray[Any]) -> None:
    """Raise ConfigError unless these are images and labels as published, their number apart."""
    shape = (len(labels), SIDE, SIDE, 3) if labels.ndim == 1 else ()
    if images.shape != shape or images.dtype != np.uint8:
        found = f"`images` {images.dtype} {images.shape} with `ans` {labels.shape}"
        wanted = f"uint8 (N, {SIDE}, {SIDE}, 3) with (N,)"
    elif sorted(set(labels.tolist())) != list(range(len(CLASSES))):
        found, wanted = "`ans` with other labels", "each of 0 to 9"
    else:
        return
    raise ConfigError("data.root", path, f"{found}, not {wanted}; get {FILE} from {URL}")
