"""The images of a training: which ones, how they are prepared, how many are shown at once."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

from symscape.errors import ConfigError, check_choice, check_number

DATASETS = (
    "cifar10",
    "cifar100",
    "cifar10_rot",
    "digits",
    "digits_rot",
    "mnist_rot",
    "mnist_scale",
    "mnist_rot_scale",
    "stl10",
    "galaxy10",
    "shapes",
    "folder",
    "folder_rot",
)
DENSE = ("shapes", "unet")
"""Data with a class for each pixel, and the network that answers so."""
AUGMENTATIONS = ("none", "standard", "hflip", "vflip", "hvflip", "rot90")
TURNED = ("both", "test")
UPRIGHT = ("digits_rot", "cifar10_rot", "folder_rot")
"""Data turned here, of which there are upright images to train on."""
FOLDERS = ("folder", "folder_rot")
"""The user's own images, known by what is in them."""
SCALED = ("mnist_scale", "mnist_rot_scale")


@dataclass
class DataConfig:
    """The images, and what is done to them."""

    name: str = "cifar10"
    root: str | None = None
    """Where the files are: a download folder (cifar10, cifar100, cifar10_rot, mnist_scale,
    mnist_rot_scale, stl10), a file or its folder (mnist_rot, galaxy10), or a tree or archive
    (folder, folder_rot)."""
    cache: str | None = None
    """Folder of decoded images (folder, folder_rot); null: `.symscape-cache` beside the images, or
    the user's cache folder where nothing can be written there."""
    image_size: int | None = None
    """Resize all images to this height and width, once: bilinear, averaging where they shrink;
    null: as the data set has them (digits_rot 24, MNIST 28, galaxy10 69, stl10 96, others 32; those
    of a folder must agree). Shapes are drawn at any size from 32; null: 64."""
    augment: Any = False
    """false, true (= standard) or the name of an augmentation."""
    val_fraction: float = 0.1
    """Share of the training images held out, the same ones for every seed."""
    batch_size: int = 256
    turned: str = "both"
    """Which parts of digits_rot, cifar10_rot and folder_rot are turned: both, or test, the training
    images staying upright."""

    def __post_init__(self) -> None:
        check_choice("data", self.name, DATASETS)
        if isinstance(self.augment, bool):
            self.augment = "standard" if self.augment else "none"
        if self.augment not in AUGMENTATIONS:
            check_choice("data.augment", self.augment, ("false", "true", *AUGMENTATIONS))
        check_number("data.val_fraction", self.val_fraction, at_least=0, below=1)
        check_number("data.batch_size", self.batch_size, at_least=1)
        if self.image_size is not None:
            check_number("data.image_size", self.image_size, at_least=1)
        self._check_turned()

    def _check_turned(self) -> None:
        check_choice("data.turned", self.turned, TURNED)
        if self.turned == "both" or self.name in UPRIGHT:
            return
        twin = f"{self.name}_rot"
        *some, last = (f"data={name}" for name in ([twin] if twin in UPRIGHT else UPRIGHT))
        able = f"{', '.join(some)} or {last}" if some else last
        why = "turns no image"
        if self.name.startswith("mnist_rot"):
            why = "has turned images only"
        raise ConfigError(
            "data.turned", self.turned, f"data={self.name} {why}: data.turned=both, or {able}"
        )
