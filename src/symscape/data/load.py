"""From a data config to images in memory: one door for all data sets."""

from __future__ import annotations

import hashlib

import torch

from symscape.config.groups import DataConfig
from symscape.data.augment import check_policy
from symscape.data.content import content_key
from symscape.data.images import ImageData, ImageSet, channel_stats
from symscape.data.resize import resized
from symscape.data.split import held_out
from symscape.errors import ConfigError
from symscape.stopping import safe_point

BLOCK = 1 << 26
"""Bytes hashed at a time."""


def load_data(config: DataConfig, content: str | None = None) -> ImageData:
    """Load a data set and hold `data.val_fraction` of each class of its training part out.

    The held-out images are the same for every seed: they depend on the labels alone. They are the
    beginning of the training part, which is stored in an order made for this (see `split`), so
    both parts share its memory.

    Args:
        config: which data set, and where it is.
        content: its content key, for whom has asked for it already.

    Raises:
        SymscapeError: the data cannot be had, or does not fit the config.
    """
    train, test, classes, pixels = load_parts(config, content or content_key(config))
    check_policy(config.augment, *train.images.shape[2:])
    cut = _cut(train, config.val_fraction)
    val, kept = train.subset(slice(cut)), train.subset(slice(cut, None))
    if config.batch_size > len(kept):
        raise ConfigError(
            "data.batch_size", config.batch_size, f"larger than the {len(kept)} training images"
        )
    mean, std = channel_stats(kept.images)
    return ImageData(kept, val, test, classes, mean, std, pixels)


def _cut(train: ImageSet, fraction: float) -> int:
    """Return how many images of the beginning are held out."""
    if train.labels.ndim == 3:  # Drawn independently: any order is mixed.
        return round(len(train) * fraction)
    return held_out(train.labels.numpy(), fraction)


def load_parts(config: DataConfig, content: str) -> tuple[ImageSet, ImageSet, tuple[str, ...], str]:
    """Return the training part, the test part, the class names and the key of what is in them.

    Images are `data.image_size` pixels high and wide, and the key is of those images; a folder's,
    which are resized when they are decoded, have the key of their files.
    """
    # Each branch imports its own: scikit-learn and torchvision take seconds.
    if config.name == "folder":
        from symscape.data.folder.load import load_folder

        return load_folder(config, content)
    if config.name == "shapes":
        from symscape.data.sets.shapes import SIZE, load_shapes

        train, test, classes = load_shapes(config.image_size or SIZE)
        return train, test, classes, pixel_key(train, test)
    if config.name == "digits":
        from symscape.data.sets.digits import load_digits

        train, test, classes = load_digits()
    else:
        from symscape.data.sets.cifar import load_cifar

        train, test, classes = load_cifar(config.name, config.root)
    if config.image_size:
        train, test = resized(train, config.image_size), resized(test, config.image_size)
    return train, test, classes, pixel_key(train, test)


def pixel_key(*parts: ImageSet) -> str:
    """Return a sha256 of the pixels and labels of all parts (1.5 GB/s)."""
    digest = hashlib.sha256()
    for part in parts:
        for block in torch.split(part.images.permute(0, 2, 3, 1).flatten(), BLOCK):
            safe_point()
            digest.update(block.numpy().data)
        digest.update(part.labels.numpy().data)
    return digest.hexdigest()
