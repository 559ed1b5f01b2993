"""Networks of group convolutions for small images (Knigge et al. 2022, section 5).

A channel is a function on the image and the group: C channels at N elements are C N channels of a
plain network. All layers keep what the group does to such functions, so the output, a maximum over
group and pixels, does not move with the image. Where maps are halved, pools and not strides do it.
"""

from __future__ import annotations

from itertools import pairwise

import torch
from torch import Tensor, nn
from torch.nn import functional

from symscape.errors import ConfigError
from symscape.layers.lie.kernel import KernelSpec
from symscape.layers.lie.pool import GroupMax, HalvingPool
from symscape.layers.lie.sampling import Dropout, Turn
from symscape.models.ckg_parts import NORMS, Block, Head, Parts
from symscape.symmetry.groups import KernelSize
from symscape.symmetry.plane import PlaneGrid


class CKGNetwork(nn.Module):
    """A network of group convolutions; `models.permutations` says what its channels may do."""

    grid: PlaneGrid
    turn: Turn
    pools = 2
    """How often it halves its maps."""
    normed_head = True
    """Whether its head normalises a number an image, which one image has no statistics of."""


class CKGResNet(CKGNetwork):
    """Lifting, a block for every further width, a last convolution without padding, a head."""

    def __init__(
        self, parts: Parts, width: int, in_channels: int, classes: int, image: KernelSize
    ) -> None:
        super().__init__()
        self.grid, self.turn = parts.grid, parts.turn
        self.lift = parts.conv(in_channels, width, lift=True)
        self.norm = parts.normalised(width)
        widths = (width, width, 2 * width)
        self.blocks = nn.ModuleList(Block(parts, i, o) for i, o in pairwise(widths))
        self.norms = nn.ModuleList(parts.normalised(o) for o in widths[1:])
        self.pool = HalvingPool(parts.pool)
        last = last_size(image, parts.size, self.pools)
        self.last = parts.conv(widths[-1], widths[-1], last, padding=0)
        self.last_norm = parts.normalised(widths[-1])
        self.head = Head(widths[-1], parts.grid.size, classes)

    def forward(self, x: Tensor) -> Tensor:
        """Map images (B, in_channels, H, W) to logits (B, classes)."""
        x = functional.relu(self.norm(self.lift(x)), inplace=True)
        for block, norm in zip(self.blocks, self.norms, strict=True):
            x = functional.relu(self.pool(norm(block(x))), inplace=True)
        x = functional.relu(self.last_norm(self.last(x)), inplace=True)
        logits: Tensor = self.head(x)
        return logits


class CKGCNN(CKGNetwork):
    """The same without shortcuts: a convolution, norm, pool and activation for every width."""

    pools = 3

    def __init__(
        self, parts: Parts, width: int, in_channels: int, classes: int, image: KernelSize
    ) -> None:
        super().__init__()
        self.grid, self.turn = parts.grid, parts.turn
        widths = (width, width, 2 * width)
        self.lift = parts.conv(in_channels, width, lift=True)
        self.convs = nn.ModuleList(parts.conv(i, o) for i, o in pairwise(widths))
        self.norms = nn.ModuleList(parts.normalised(o) for o in widths)
        self.pool = HalvingPool(parts.pool)
        last = last_size(image, parts.size, self.pools)
        self.last = parts.conv(widths[-1], widths[-1], last, padding=0)
        self.last_norm = parts.normalised(widths[-1])
        self.head = Head(widths[-1], parts.grid.size, classes)

    def forward(self, x: Tensor) -> Tensor:
        """Map images (B, in_channels, H, W) to logits (B, classes)."""
        for conv, norm in zip((self.lift, *self.convs), self.norms, strict=True):
            x = functional.relu(self.pool(norm(conv(x))), inplace=True)
        x = functional.relu(self.last_norm(self.last(x)), inplace=True)
        logits: Tensor = self.head(x)
        return logits


class CKGAllCNNC(CKGNetwork):
    """All-CNN-C (Springenberg et al. 2015) on a group, with pools in place of its strides.

    Three layers of 3 w channels, a pool behind the second; five of 6 w, a pool behind the fifth
    layer of all; the last of them, and the one that gives the classes, pointwise. The maximum over
    group and pixels are the logits.
    """

    normed_head = False

    def __init__(
        self, parts: Parts, width: int, in_channels: int, classes: int, image: KernelSize
    ) -> None:
        super().__init__()
        self.grid, self.turn = parts.grid, parts.turn
        widths = [3 * width] * 3 + [6 * width] * 5
        last_size(image, parts.size, self.pools)
        self.lift = parts.conv(in_channels, widths[0], lift=True)
        sizes = [None] * 6 + [1]
        self.convs = nn.ModuleList(
            parts.conv(i, o, size) for i, o, size in zip(widths, widths[1:], sizes, strict=False)
        )
        self.norms = nn.ModuleList(parts.normalised(o) for o in widths)
        self.classes = parts.conv(widths[-1], classes, 1)
        self.pool = HalvingPool(parts.pool)
        self.drops = nn.ModuleList(Dropout(p) for p in (0.2, 0.5, 0.5))
        self.maximum = GroupMax(parts.grid.size)

    def forward(self, x: Tensor) -> Tensor:
        """Map images (B, in_channels, H, W) to logits (B, classes)."""
        x = self.drops[0](x)
        layers = zip((self.lift, *self.convs), self.norms, strict=True)
        for number, (conv, norm) in enumerate(layers, 1):
            x = functional.relu(norm(conv(x)), inplace=True)
            if number in (2, 5):
                x = self.drops[1 + number // 5](self.pool(x))
        logits: Tensor = self.maximum(self.classes(x))
        return logits


def last_size(image: KernelSize, kernel: int, pools: int) -> int:
    """Return the size of the last kernel: larger on images that the others do not span.

    Raises:
        ConfigError: a kernel is larger than the map that it meets.
    """
    smallest = min(image)
    if kernel > smallest:
        raise ConfigError("model.kernel_size", kernel, f"images have {smallest} pixels")
    left = smallest
    for _ in range(pools):
        left = (left + 1) // 2
    if left < 3:
        reason = f"the last kernel, of 3 pixels, meets a map of {left}"
        raise ConfigError("data.image_size", smallest, reason)
    size = min(left, max(3, min(11, smallest // 4 - kernel)))
    return size - (1 - size % 2)


NETWORKS: dict[str, type[CKGResNet | CKGCNN | CKGAllCNNC]] = {
    "ckgresnet": CKGResNet,
    "ckgcnn": CKGCNN,
    "ckgallcnnc": CKGAllCNNC,
}


def ckg_network(
    name: str,
    *,
    grid: PlaneGrid,
    kernel: KernelSpec,
    turn: float,
    in_channels: int,
    classes: int,
    width: int,
    kernel_size: int,
    image: KernelSize,
    norm: str = "batch",
    pool: str = "mean",
) -> CKGNetwork:
    """Return an uninitialised network in channels-last layout.

    Args:
        name: one of NETWORKS.
        grid: the group.
        kernel: of what its kernels are made.
        turn: by how much the grid is turned at random in training, at most; 0: never.
        in_channels: of the images.
        classes: logits.
        width: w; the widths are w, w, 2 w.
        kernel_size: k, odd.
        image: height and width of the images.
        norm: batch or layer.
        pool: mean or max.
    """
    parts = Parts(grid, kernel, kernel_size, NORMS[norm], pool, Turn(turn))
    network = NETWORKS[name](parts, width, in_channels, classes, image)
    return network.to(memory_format=torch.channels_last)
