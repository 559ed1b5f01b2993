"""Image sets held as uint8 tensors."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import torch
from torch import Tensor

from symscape.stopping import safe_point


@dataclass(frozen=True, eq=False)
class ImageSet:
    """Images and their labels; compared and hashed by identity."""

    images: Tensor
    """uint8, (N, C, H, W); its memory is laid out (N, H, W, C) and may be a mapped file."""
    labels: Tensor
    """int64, (N,); or uint8, (N, H, W): a class for each pixel."""

    def __len__(self) -> int:
        return len(self.labels)

    def subset(self, indices: Tensor | slice) -> ImageSet:
        """Return the images at `indices`: a slice shares the memory, a tensor copies the rows."""
        return ImageSet(self.images[indices], self.labels[indices])


@dataclass(frozen=True, eq=False)
class ImageData:
    """A data set split into its parts."""

    train: ImageSet
    val: ImageSet
    """Held out from the training images; empty where `data.val_fraction` is 0."""
    test: ImageSet
    classes: tuple[str, ...]
    mean: tuple[float, ...]
    """A value a channel, of the training part, in units where white is 1."""
    std: tuple[float, ...]
    content: str
    """Hex sha256 of what the images show: two data sets with one key are the same images."""

    def describe(self) -> dict[str, Any]:
        """Return what a run must remember of them: content, classes, shape, normalisation."""
        channels, height, width = self.train.images.shape[1:]
        return {
            "content": self.content,
            "classes": list(self.classes),
            "channels": channels,
            "height": height,
            "width": width,
            "mean": list(self.mean),
            "std": list(self.std),
            "images": {"train": len(self.train), "val": len(self.val), "test": len(self.test)},
        }


def channels_last(images: Tensor, labels: Tensor) -> ImageSet:
    """Wrap images as decoders write them, (N, H, W, C), without copying."""
    return ImageSet(images.permute(0, 3, 1, 2), labels)


def channel_stats(
    images: Tensor, block: int = 1 << 25
) -> tuple[tuple[float, ...], tuple[float, ...]]:
    """Return the mean and the standard deviation of each channel, in [0, 1] units.

    The sums are integers, so the result does not depend on the order of the images nor on
    `block`. One pass over (N, C, H, W), about `block` bytes at a time. A constant channel gets
    the deviation 1, for normalising divides by it.
    """
    total = torch.zeros(images.shape[1], dtype=torch.int64)
    squares = torch.zeros_like(total)
    for part in torch.split(images, max(1, block // images[0].numel())):
        safe_point()
        counts = channel_histograms(part)
        levels = torch.arange(256)
        total += (counts * levels).sum(1)
        squares += (counts * levels**2).sum(1)
    pixels = images.numel() // images.shape[1]
    mean = total.double() / pixels
    variance = (squares.double() / pixels - mean**2).clamp(min=0)
    std = torch.where(variance > 0, variance.sqrt(), 255.0)
    return tuple((mean / 255).tolist()), tuple((std / 255).tolist())


def channel_histograms(images: Tensor) -> Tensor:
    """Return how often each of the 256 levels occurs in each channel: int64, (C, 256)."""
    planes = images.transpose(0, 1).flatten(1)
    return torch.stack([torch.bincount(plane, minlength=256) for plane in planes])
