"""From a data config to images in memory: one door for all data sets."""

from __future__ import annotations

import hashlib

import torch

from symscape.config.data import FOLDERS, SCALED, UPRIGHT, DataConfig
from symscape.data.augment import check_policy
from symscape.data.content import content_key
from symscape.data.images import ImageData, ImageSet, channel_stats
from symscape.data.resize import resized
from symscape.data.split import held_out
from symscape.data.turned import scaled_set, turned_parts
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

    Images are `data.image_size` pixels high and wide, and the key is of those images. A folder's,
    which are resized when they are decoded, and turned after that, have the key of their files and
    of what is turned.
    """
    # Each branch imports its own: scikit-learn and torchvision take seconds.
    if config.name in FOLDERS:
        return folder_parts(config, content)
    if config.name == "shapes":
        from symscape.data.sets.shapes import SIZE, load_shapes

        train, test, classes = load_shapes(config.image_size or SIZE)
        return train, test, classes, pixel_key(train, test)
    train, test, classes = upright_parts(config)
    train, test = moved_parts(config, train, test)
    if config.image_size:
        train, test = resized(train, config.image_size), resized(test, config.image_size)
    return train, test, classes, pixel_key(train, test)


def folder_parts(
    config: DataConfig, content: str
) -> tuple[ImageSet, ImageSet, tuple[str, ...], str]:
    """Return what `load_parts` does, of a folder or an archive."""
    from symscape.data.folder.load import load_folder

    train, test, classes, key = load_folder(config, content)
    if config.name in UPRIGHT:
        train, test = turned_parts(train, test, config.turned)
        key = hashlib.sha256(f"{key} turned={config.turned}".encode()).hexdigest()
    return train, test, classes, key


def upright_parts(config: DataConfig) -> tuple[ImageSet, ImageSet, tuple[str, ...]]:
    """Return the training part, the test part and the class names, before any turn or resizing."""
    if config.name == "digits":
        from symscape.data.sets.digits import load_digits

        return load_digits()
    if config.name == "digits_rot":
        from symscape.data.sets.digits import load_framed

        return load_framed()
    if config.name == "mnist_rot":
        from symscape.data.sets.mnist_rot import load_mnist_rot

        return load_mnist_rot(config.root)
    if config.name in SCALED:
        from symscape.data.sets.mnist import load_mnist

        return load_mnist(config.name, config.root)
    if config.name == "stl10":
        from symscape.data.sets.stl10 import load_stl10

        return load_stl10(config.root)
    if config.name == "galaxy10":
        from symscape.data.sets.galaxy10 import load_galaxy10

        return load_galaxy10(config.root)
    from symscape.data.sets.cifar import load_cifar

    return load_cifar(config.name, config.root)


def moved_parts(config: DataConfig, train: ImageSet, test: ImageSet) -> tuple[ImageSet, ImageSet]:
    """Turn or shrink the images, where the data set is one of turned or shrunk images."""
    if config.name in UPRIGHT:
        return turned_parts(train, test, config.turned)
    if config.name in SCALED:
        turn = config.name == "mnist_rot_scale"
        return scaled_set(train, "train", turn), scaled_set(test, "test", turn)
    return train, test


def upright_test(config: DataConfig, data: ImageData) -> ImageSet:
    """Return the test images as they were before `load_data` turned them, in the same order.

    Those of data that is turned here are read again; other data has none but its test part.

    Args:
        config: which data set, and where it is.
        data: what `load_data` gave for it.

    Raises:
        SymscapeError: the data cannot be had any more.
    """
    if config.name not in UPRIGHT:
        return data.test
    if config.name in FOLDERS:
        from symscape.data.folder.load import load_folder

        return load_folder(config, content_key(config))[1]
    test = upright_parts(config)[1]
    return resized(test, config.image_size) if config.image_size else test


def pixel_key(*parts: ImageSet) -> str:
    """Return a sha256 of the pixels and labels of all parts (1.5 GB/s)."""
    digest = hashlib.sha256()
    for part in parts:
        for block in torch.split(part.images.permute(0, 2, 3, 1).flatten(), BLOCK):
            safe_point()
            digest.update(block.numpy().data)
        digest.update(part.labels.numpy().data)
    return digest.hexdigest()
