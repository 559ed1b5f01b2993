"""A user's own images in memory, decoded before if they are not in the cache."""

from __future__ import annotations

import torch

from symscape.config.data import DataConfig
from symscape.data.folder import cache
from symscape.data.folder.build import build, cached
from symscape.data.folder.layout import SPLITS
from symscape.data.images import ImageSet, channels_last


def load_folder(config: DataConfig, key: str) -> tuple[ImageSet, ImageSet, tuple[str, ...], str]:
    """Return the training images, the test images, the class names and the content key.

    Where the images of `key` are not in the cache they are decoded, with the key that they have
    now. The tensors are mapped from the cache: memory is used as pages are read, and given back.

    Raises:
        SymscapeError: the source is malformed, an image broken, the cache damaged or unwritable.
    """
    if not cached(config, key).exists():
        key = build(config)
    arrays, classes = cache.read_cache(cached(config, key))
    train, test = (
        channels_last(
            torch.from_numpy(arrays[f"{split}_images"]), torch.from_numpy(arrays[f"{split}_labels"])
        )
        for split in SPLITS
    )
    return train, test, classes, key
