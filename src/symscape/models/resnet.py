"""Residual networks for small images (He et al. 2016), pre-sized for 32x32 inputs.

resnet20 ... resnet110: section 4.2, three stages of n blocks, 6n + 2 layers. resnet18, resnet34:
section 4.1 with a 3x3 stem without pooling, as is usual on 32x32 images. N: batch, C: channels.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Protocol

import torch
from torch import Tensor, nn
from torch.nn import functional

from symscape.layers.sampling.grid import Grid, StridedSlices
from symscape.layers.sampling.thinning import Thinning
from symscape.symmetry.groups import KernelSize

# Blocks in each stage; the channels double from stage to stage.
STAGES = {
    "resnet18": (2, 2, 2, 2),
    "resnet34": (3, 4, 6, 3),
    "resnet20": (3, 3, 3),
    "resnet32": (5, 5, 5),
    "resnet44": (7, 7, 7),
    "resnet56": (9, 9, 9),
    "resnet110": (18, 18, 18),
}


class MakeConv(Protocol):
    """What networks are built with; `layers.factory.ConvFactory` is one."""

    def __call__(
        self,
        in_channels: int,
        out_channels: int,
        kernel_size: KernelSize,
        *,
        stride: int,
        role: str,
        grid: Grid | None = None,
    ) -> nn.Module:
        """Return a convolution without bias; `role` is stem, blocks or shortcuts."""
        ...


@dataclass(frozen=True)
class Parts:
    """The choices that all blocks of a network share."""

    conv: MakeConv
    norm: Callable[[int], nn.Module]
    kernel_size: KernelSize
    shortcut: str
    thinning: Thinning = field(default_factory=Thinning)


def layer_norm(channels: int) -> nn.Module:
    """Return a norm over all channels and pixels of one image, with an affine map a channel."""
    return nn.GroupNorm(1, channels)


NORMS: dict[str, Callable[[int], nn.Module]] = {"batch": nn.BatchNorm2d, "layer": layer_norm}


def pair(kernel_size: int | KernelSize) -> KernelSize:
    """Return height and width of a kernel."""
    return (kernel_size, kernel_size) if isinstance(kernel_size, int) else kernel_size


class PadShortcut(nn.Module):
    """Strided slices, and zeros for the channels that the input does not have (option A)."""

    def __init__(
        self, in_channels: int, out_channels: int, stride: int, grid: Grid | None = None
    ) -> None:
        super().__init__()
        self.extra, self.slices = out_channels - in_channels, StridedSlices(stride, grid)

    def forward(self, x: Tensor) -> Tensor:
        """Map x (N, C, H, W) to (N, C + extra, ceil(H / stride), ceil(W / stride))."""
        return functional.pad(self.slices(x), (0, 0, 0, 0, 0, self.extra))


class BasicBlock(nn.Module):
    """Two convolutions and a shortcut around them."""

    def __init__(self, parts: Parts, in_channels: int, out_channels: int, stride: int) -> None:
        super().__init__()
        size = parts.kernel_size
        blur, grid = parts.thinning.parts() if stride > 1 else (None, None)
        # A blur keeps every second pixel, after the activation and before the shortcut.
        stride = stride if blur is None else 1
        self.down = nn.Identity() if blur is None else blur
        self.conv1 = parts.conv(
            in_channels, out_channels, size, stride=stride, role="blocks", grid=grid
        )
        self.norm1 = parts.norm(out_channels)
        self.conv2 = parts.conv(out_channels, out_channels, size, stride=1, role="blocks")
        self.norm2 = parts.norm(out_channels)
        self.shortcut = _shortcut(parts, in_channels, out_channels, stride, grid)

    def forward(self, x: Tensor) -> Tensor:
        """Map x (N, in_channels, H, W) to (N, out_channels, H', W')."""
        y = self.down(functional.relu(self.norm1(self.conv1(x)), inplace=True))
        y = self.norm2(self.conv2(y))
        # In place: memory taken anew costs a CPU more than the sum.
        return functional.relu(y.add_(self.shortcut(self.down(x))), inplace=True)


def _shortcut(
    parts: Parts, in_channels: int, out_channels: int, stride: int, grid: Grid | None
) -> nn.Module:
    if stride == 1 and in_channels == out_channels:
        return nn.Identity()
    if parts.shortcut == "pad":
        return PadShortcut(in_channels, out_channels, stride, grid)
    conv = parts.conv(in_channels, out_channels, (1, 1), stride=stride, role="shortcuts", grid=grid)
    return nn.Sequential(conv, parts.norm(out_channels))


class ResNet(nn.Module):
    """A residual network: stem, stages of basic blocks, mean over pixels, linear head."""

    def __init__(
        self, parts: Parts, blocks: tuple[int, ...], width: int, in_channels: int, classes: int
    ) -> None:
        super().__init__()
        self.conv = parts.conv(in_channels, width, parts.kernel_size, stride=1, role="stem")
        self.norm = parts.norm(width)
        channels, stages = width, []
        for stage, count in enumerate(blocks):
            out = width * 2**stage
            strides = [1 if stage == 0 else 2] + [1] * (count - 1)
            sizes = [channels] + [out] * (count - 1)
            stages.append(
                nn.Sequential(
                    *(BasicBlock(parts, i, out, s) for i, s in zip(sizes, strides, strict=True))
                )
            )
            channels = out
        self.stages = nn.Sequential(*stages)
        self.head = nn.Linear(channels, classes)

    def forward(self, x: Tensor) -> Tensor:
        """Map images (N, in_channels, H, W) to logits (N, classes)."""
        x = functional.relu(self.norm(self.conv(x)), inplace=True)
        logits: Tensor = self.head(self.stages(x).mean((2, 3)))
        return logits


def resnet(
    name: str,
    *,
    conv: MakeConv,
    in_channels: int,
    classes: int,
    width: int,
    kernel_size: int | KernelSize = 3,
    norm: str = "batch",
    shortcut: str = "conv",
    thinning: Thinning | None = None,
) -> ResNet:
    """Return an uninitialised ResNet in channels-last layout, its kernels made by `conv`."""
    parts = Parts(conv, NORMS[norm], pair(kernel_size), shortcut, thinning or Thinning())
    network = ResNet(parts, STAGES[name], width, in_channels, classes)
    return network.to(memory_format=torch.channels_last)
