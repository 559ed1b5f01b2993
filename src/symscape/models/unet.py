"""A U-Net (Ronneberger et al. 2015) for small images: a class for each pixel.

A stem, three stages with stride 2 of 2, 4 and 4 times its channels, and back: each map is resized
to that of the stage before and put beside it. Where maps have an odd number of pixels their corners
stay in place when they are resized, where it is even they do not: so windows that are balanced on
the way down are met by pixels about the same middle on the way up.
"""

from __future__ import annotations

from itertools import pairwise

import torch
from torch import Tensor, nn
from torch.nn import functional

from symscape.layers.sampling.thinning import Thinning
from symscape.models.resnet import NORMS, MakeConv, Parts, pair
from symscape.symmetry.groups import KernelSize

STAGES = (2, 4, 4)
"""Channels of the stages that halve the map, in widths."""


class Convolved(nn.Module):
    """Convolution, norm, activation; with a stride, on a grid or blurred."""

    def __init__(
        self, parts: Parts, in_channels: int, out_channels: int, stride: int, role: str
    ) -> None:
        super().__init__()
        blur, grid = parts.thinning.parts() if stride > 1 else (None, None)
        self.down = nn.Identity() if blur is None else blur
        stride = stride if blur is None else 1
        self.conv = parts.conv(
            in_channels, out_channels, parts.kernel_size, stride=stride, role=role, grid=grid
        )
        self.norm = parts.norm(out_channels)

    def forward(self, x: Tensor) -> Tensor:
        """Map x (N, in_channels, H, W) to (N, out_channels, H', W')."""
        y: Tensor = self.down(functional.relu(self.norm(self.conv(x)), inplace=True))
        return y


class UNet(nn.Module):
    """Maps images (N, in_channels, H, W) to logits (N, classes, H, W)."""

    def __init__(self, parts: Parts, width: int, in_channels: int, classes: int) -> None:
        super().__init__()
        channels = [width, *(width * s for s in STAGES)]
        self.stem = Convolved(parts, in_channels, width, 1, "stem")
        self.down = nn.ModuleList(
            nn.Sequential(Convolved(parts, i, o, 2, "blocks"), Convolved(parts, o, o, 1, "blocks"))
            for i, o in pairwise(channels)
        )
        self.up = nn.ModuleList(
            Convolved(parts, deep + skip, skip, 1, "blocks")
            for deep, skip in zip(channels[:0:-1], channels[-2::-1], strict=True)
        )
        self.head = nn.Conv2d(width, classes, 1)

    def forward(self, x: Tensor) -> Tensor:
        """Return the logits of every pixel."""
        maps = [self.stem(x)]
        for stage in self.down:
            maps.append(stage(maps[-1]))
        y = maps.pop()
        for stage in self.up:
            skip = maps.pop()
            y = stage(torch.cat([enlarged(y, skip), skip], 1))
        logits: Tensor = self.head(y)
        return logits


def enlarged(x: Tensor, like: Tensor) -> Tensor:
    """Return a map resized bilinearly, about its middle, to the size of another."""
    height, width = like.shape[-2:]
    if height % 2 == width % 2:
        return _resized(x, (height, width), height % 2 == 1)
    x = _resized(x, (height, x.shape[-1]), height % 2 == 1)
    return _resized(x, (height, width), width % 2 == 1)


def _resized(x: Tensor, size: KernelSize, corners: bool) -> Tensor:
    return functional.interpolate(x, size=size, mode="bilinear", align_corners=corners)


def unet(
    *,
    conv: MakeConv,
    in_channels: int,
    classes: int,
    width: int,
    kernel_size: int | KernelSize = 3,
    norm: str = "batch",
    thinning: Thinning | None = None,
) -> UNet:
    """Return an uninitialised U-Net in channels-last layout, its kernels made by `conv`."""
    parts = Parts(conv, NORMS[norm], pair(kernel_size), "conv", thinning or Thinning())
    return UNet(parts, width, in_channels, classes).to(memory_format=torch.channels_last)
