"""STL-10 (Coates, Ng and Lee 2011): 96 x 96 photographs, few of them labelled.

Its archive of 2.6 GB is nearly all unlabelled images, which are not read: four files are enough,
packed or not. Nothing is downloaded.
"""

from __future__ import annotations

import hashlib
import tarfile
import zlib
from pathlib import Path

import numpy as np
import torch

from symscape.data.images import ImageSet, channels_last
from symscape.data.sets.fetch import brought, reason
from symscape.data.split import mixed_order
from symscape.errors import ConfigError
from symscape.stopping import safe_point, waited_for

FOLDER, FILE = "stl10_binary", "stl10_binary.tar.gz"
URL = f"http://ai.stanford.edu/~acoates/stl10/{FILE}"
# As torchvision has them. Each file's sum says more, sooner, than that of the archive
# (91f7769df0f17e558f3565bffb0c7dfb), which need not be read to its end.
MD5 = {
    "train_X.bin": "918c2871b30a85fa023e0c44e0bee87f",
    "train_y.bin": "5a34089d4802c674881badbb80307741",
    "test_X.bin": "7f263ba9f9e0b06b93213547f721ac82",
    "test_y.bin": "36f9794fa4beb8a2c72628de14fa638e",
}
CLASSES = ("airplane", "bird", "car", "cat", "deer", "dog", "horse", "monkey", "ship", "truck")
SIDE = 96


def load_stl10(
    root: str | None, md5: dict[str, str] | None = None
) -> tuple[ImageSet, ImageSet, tuple[str, ...]]:
    """Return the 5,000 training images, the 8,000 test images and the class names.

    Images are uint8, (N, 3, 96, 96). Costs 3 s from unpacked files, more from the archive.

    Args:
        root: The folder `stl10_binary`, one that holds it, the archive, or a folder that holds it.
        md5: What the four files must have.

    Raises:
        ConfigError: a file is missing, or not the published one.
    """
    expected = MD5 if md5 is None else md5
    where: Path | str | None = root
    try:
        folder = _unpacked(root)
        where = place = folder or brought("stl10", root, FILE, URL)
        files = waited_for(lambda: _loose(place) if folder else _packed(place))
    except (OSError, EOFError, zlib.error, tarfile.TarError) as error:
        raise ConfigError(
            "data.root", where, f"not readable ({reason(error)}); get {URL}"
        ) from None
    for name, sum_ in expected.items():
        safe_point()
        if name not in files:
            raise ConfigError("data.root", where, f"no {name} there; get {URL}")
        if hashlib.md5(files[name], usedforsecurity=False).hexdigest() != sum_:
            raise ConfigError("data.root", where, f"{name} is not the published one; get {URL}")
    train, test = (
        _part(files[f"{part}_X.bin"], files[f"{part}_y.bin"]) for part in ("train", "test")
    )
    return train, test, CLASSES


def _unpacked(root: str | None) -> Path | None:
    """Return the folder of the unpacked files, if there is one."""
    folder = Path(root or ".").expanduser()
    near = (folder / FOLDER, folder) if root else ()
    return next((each for each in near if (each / "train_X.bin").is_file()), None)


def _loose(folder: Path) -> dict[str, bytes]:
    return {name: (folder / name).read_bytes() for name in MD5 if (folder / name).is_file()}


def _packed(archive: Path) -> dict[str, bytes]:
    """Read the files from the archive, up to the last of them."""
    files: dict[str, bytes] = {}
    with tarfile.open(archive, "r|gz") as members:
        for member in members:
            name = Path(member.name).name
            content = members.extractfile(member) if name in MD5 else None
            if content:
                files[name] = content.read()
            if len(files) == len(MD5):
                break
    return files


def _part(pixels: bytes, names: bytes) -> ImageSet:
    """Wrap what the files hold: planes, column by column, and labels from 1."""
    labels = np.frombuffer(names, np.uint8).astype(np.int64) - 1
    order = mixed_order(labels)
    images = np.frombuffer(pixels, np.uint8).reshape(-1, 3, SIDE, SIDE)[order]
    upright = np.ascontiguousarray(images.transpose(0, 3, 2, 1))
    return channels_last(torch.from_numpy(upright), torch.from_numpy(labels[order]))
