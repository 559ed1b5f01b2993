"""The mean over all grids of a strided layer: what training on drawn grids aims at, exactly.

For a convolution it is the one with stride 1, averaged over the pixels that a stride passes by.
"""

from __future__ import annotations

import itertools

import torch
from torch import Tensor, nn

from symscape.layers.sampling.padding import Padding
from symscape.symmetry.groups import KernelSize


class GridMean(nn.Module):
    """The mean over all grids of a strided convolution or pool.

    Args:
        layer: with a stride.
    """

    def __init__(self, layer: nn.Conv2d | nn.MaxPool2d) -> None:
        super().__init__()
        self.layer = layer
        self.pads = _padding_of(layer)

    def forward(self, x: Tensor) -> Tensor:
        """Map x (N, C, H, W) as the layer does, on the mean of its grids."""
        spare = self.pads.spare((x.shape[-2], x.shape[-1]))
        starts = itertools.product(*(range(u + 1) for u in spare))
        return torch.stack([self._on(x, rows, columns) for rows, columns in starts]).mean(0)

    def window(self, size: KernelSize) -> tuple[KernelSize, Padding]:
        """Return the kernel that all grids together read of a map, and how it is padded."""
        spare = self.pads.spare(size)
        rows, columns = (w + u for w, u in zip(self.pads.window, spare, strict=True))
        return (rows, columns), self.pads

    def _on(self, x: Tensor, rows: int, columns: int) -> Tensor:
        """Compute on one grid: as if as many first rows and columns were not there."""
        (top, left), stride = self.pads.amounts, self.pads.stride
        value = 0.0 if isinstance(self.layer, nn.Conv2d) else float("-inf")
        # Enough after the last one, too; windows that begin there are cut off again.
        sides = (left - columns, left + stride[1], top - rows, top + stride[0])
        padded = nn.functional.pad(x, sides, value=value)
        y = self._unpadded(padded)
        height, width = self._outputs((x.shape[-2], x.shape[-1]))
        return y[..., :height, :width]

    def _unpadded(self, x: Tensor) -> Tensor:
        layer = self.layer
        if isinstance(layer, nn.MaxPool2d):
            options = (self.pads.kernel_size, self.pads.stride, (0, 0), self.pads.dilation)
            return nn.functional.max_pool2d(x, *options)
        stride, dilation = layer.stride, layer.dilation
        return torch.conv2d(x, layer.weight, layer.bias, stride, 0, dilation, layer.groups)

    def _outputs(self, size: KernelSize) -> KernelSize:
        pads = self.pads
        rows, columns = (
            (n + 2 * p - w) // s + 1
            for n, p, w, s in zip(size, pads.amounts, pads.window, pads.stride, strict=True)
        )
        return rows, columns


def _padding_of(layer: nn.Conv2d | nn.MaxPool2d) -> Padding:
    def pair(value: int | tuple[int, ...]) -> tuple[int, int]:
        return (value, value) if isinstance(value, int) else (int(value[0]), int(value[1]))

    stride = layer.stride or layer.kernel_size
    padding = layer.padding
    assert not isinstance(padding, str)
    return Padding(
        pair(layer.kernel_size), pair(stride), pair(padding), dilation=pair(layer.dilation)
    )
