"""What is beyond the border of a map, for convolutions of all kinds.

zeros: as PyTorch does by default. reflect, replicate, circular: copies of the map. partial (Liu et
al. 2018, arXiv 1811.11718): zeros, and the product scaled by the number of taps of a window over
the number of those that meet the map; the bias is not scaled.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, replace
from functools import lru_cache
from typing import Any

import torch
from torch import Tensor, nn
from torch.nn import functional

from symscape.layers.sampling.grid import Grid
from symscape.layers.sampling.strided import convolve
from symscape.symmetry.groups import KernelSize

Convolve = Callable[[Tensor, KernelSize, Tensor | None], Tensor]
"""Convolves a map, with zeros around it, and adds a bias (O,)."""


@dataclass(frozen=True)
class Padding:
    """How a convolution pads: `amounts` rows and columns on each side."""

    kernel_size: KernelSize
    stride: KernelSize
    amounts: KernelSize
    mode: str = "zeros"
    dilation: KernelSize = (1, 1)
    more: KernelSize = (0, 0)
    """Rows below and columns on the right beyond these: padding "same" of even windows."""

    @property
    def window(self) -> KernelSize:
        """Rows and columns from the first to the last tap."""
        rows, columns = (
            d * (k - 1) + 1 for k, d in zip(self.kernel_size, self.dilation, strict=True)
        )
        return rows, columns

    def spare(self, size: KernelSize) -> KernelSize:
        """Return the rows and columns, padding included, that no window reads."""
        rows, columns = (
            (n + 2 * p + m - k) % s
            for n, p, m, k, s in zip(
                size, self.amounts, self.more, self.window, self.stride, strict=True
            )
        )
        return rows, columns

    @property
    def before(self) -> bool:
        """Whether the map is padded before it is convolved, rather than by the convolution."""
        copies = self.mode not in ("zeros", "partial") and any(self.amounts)
        return copies or any(self.more)

    def left(self, size: KernelSize) -> tuple[KernelSize, KernelSize]:
        """Return what the convolution sees of a map: its size, and the zeros around it."""
        if not self.before:
            return size, self.amounts
        rows, columns = (
            n + 2 * p + m for n, p, m in zip(size, self.amounts, self.more, strict=True)
        )
        return (rows, columns), (0, 0)

    def apply(
        self, x: Tensor, bias: Tensor | None, convolve: Convolve, grid: Grid | None
    ) -> Tensor:
        """Return the convolution of x (N, C, H, W), padded, on the grid that was drawn."""
        if self.mode == "zeros" and grid is None and not self.before:
            return convolve(x, self.amounts, bias)
        size = (x.shape[-2], x.shape[-1])
        spare = self.spare(size)
        starts = (0, 0) if grid is None else grid.starts(spare)
        padded, left = self._padded(x, spare, starts)
        if self.mode != "partial" or not any(self.amounts):
            return convolve(padded, left, bias)
        y = convolve(padded, left, None)
        ratio = _ratio(self, size, starts, y.shape[1], y.dtype, y.device)
        # In place: no derivative needs the product, and memory taken anew costs a CPU more.
        y = y * ratio if y._is_view() else y.mul_(ratio)
        return y if bias is None else y + bias.to(y.dtype)[:, None, None]

    def _padded(
        self, x: Tensor, spare: KernelSize, starts: KernelSize
    ) -> tuple[Tensor, KernelSize]:
        """Return the map without the rows that this grid leaves out, and the zeros to add."""
        (top, left), (rows, columns) = self.amounts, starts
        if not self.before:
            if not any(starts):
                return x, self.amounts
            bottom, right = (p - u + r for p, u, r in zip(self.amounts, spare, starts, strict=True))
            return functional.pad(x, (left - columns, right, top - rows, bottom)), (0, 0)
        down, aside = self.more
        mode = "constant" if self.mode == "zeros" else self.mode
        x = functional.pad(x, (left, left + aside, top, top + down), mode)
        return x[..., rows:, columns:], (0, 0)


def padding_of(
    kernel_size: KernelSize,
    stride: KernelSize,
    padding: KernelSize | str,
    mode: str = "zeros",
    dilation: KernelSize = (1, 1),
) -> Padding:
    """Return how an nn.Conv2d with these arguments pads; `padding` may be "same" or "valid"."""
    if not isinstance(padding, str):
        return Padding(kernel_size, stride, padding, mode, dilation)
    none = Padding(kernel_size, stride, (0, 0), mode, dilation)
    if padding == "valid":
        return none
    (rows, columns) = (w - 1 for w in none.window)
    return replace(none, amounts=(rows // 2, columns // 2), more=(rows % 2, columns % 2))


@lru_cache(maxsize=128)
def _ratio(
    padding: Padding,
    size: KernelSize,
    starts: KernelSize,
    channels: int,
    dtype: torch.dtype,
    device: torch.device,
) -> Tensor:
    """Return the taps of a window over those that meet the map, (1, C, H', W').

    The same for all channels, and there for all: where channels are last, products run over a whole
    image at once.
    """
    # Ordinary tensors, also where inference mode asks first.
    with torch.inference_mode(False), torch.device("cpu"):
        axes = []
        for axis in (0, 1):
            inside = torch.ones(size[axis], dtype=torch.float64)
            amount, start = padding.amounts[axis], starts[axis]
            padded = functional.pad(inside, (amount, amount))[start:]
            windows = padded.unfold(0, padding.window[axis], padding.stride[axis])
            met = windows[:, :: padding.dilation[axis]].sum(1)
            # A window that meets nothing makes zero, whatever it is scaled by.
            axes.append(padding.kernel_size[axis] / met.clamp(min=1))
        ratio = torch.outer(axes[0], axes[1]).expand(1, channels, -1, -1).to(device, dtype)
        return ratio.contiguous(memory_format=torch.channels_last)


class PaddedConv2d(nn.Conv2d):
    """An nn.Conv2d that pads by any of these modes, on a grid that may be drawn.

    Args:
        mode: zeros, reflect, replicate, circular or partial.
        grid: of the block that it belongs to.
        options: of nn.Conv2d.
    """

    mode: str
    grid: Grid | None

    def __init__(
        self, *args: Any, mode: str = "zeros", grid: Grid | None = None, **options: Any
    ) -> None:
        # So that who looks at the module sees what nn.Conv2d would show of the same padding.
        options["padding_mode"] = "zeros" if mode == "partial" else mode
        super().__init__(*args, **options)
        self.mode, self.grid = mode, grid

    def forward(self, input: Tensor) -> Tensor:
        """Convolve x (N, I * groups, H, W)."""
        height, width = (int(p) for p in self.padding)
        padding = Padding(
            (self.kernel_size[0], self.kernel_size[1]),
            (self.stride[0], self.stride[1]),
            (height, width),
            self.mode,
            (self.dilation[0], self.dilation[1]),
        )

        def direct(x: Tensor, left: KernelSize, bias: Tensor | None) -> Tensor:
            stride, dilation = self.stride, self.dilation
            return convolve(x, self.weight, bias, stride, left, dilation, self.groups)

        return padding.apply(input, self.bias, direct, self.grid)

    def extra_repr(self) -> str:
        """Show what nn.Conv2d shows, and partial padding."""
        shown: str = super().extra_repr()  # type: ignore[no-untyped-call]
        return shown + (", mode=partial" if self.mode == "partial" else "")
