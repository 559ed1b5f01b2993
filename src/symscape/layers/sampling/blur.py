"""Blurring before subsampling (Zhang 2019, arXiv 1904.11486), as two products with a matrix.

A row of f binomial coefficients is moved by a stride over each axis. As the map is padded by copies
of itself, that is a matrix: y = A x B^T, the padding included. Products of matrices are several
times as fast as PyTorch's depthwise convolutions on a CPU (their gradients ten times), and so are
their derivatives.
"""

from __future__ import annotations

from functools import lru_cache
from math import comb

import torch
from torch import Tensor, nn
from torch.nn import functional

from symscape.errors import SymscapeError


class Blur(nn.Module):
    """A binomial filter on each axis, then every second pixel; without parameters.

    Args:
        taps: f, of the filter; None: 4 on an even number of pixels and 3 on an odd one, which puts
            the output's pixels evenly about the middle of the input.
        mode: what is beyond the border: reflect, replicate, circular or zeros.
        stride: between the pixels that are kept.
    """

    def __init__(self, taps: int | None = None, mode: str = "reflect", stride: int = 2) -> None:
        super().__init__()
        self.taps, self.mode, self.stride = taps, mode, stride

    def forward(self, x: Tensor) -> Tensor:
        """Map x (N, C, H, W) to (N, C, ceil(H / stride), ceil(W / stride))."""
        rows, columns = (self.matrix(n, x) for n in x.shape[-2:])
        images, channels, height, width = x.shape
        y = x.permute(0, 2, 3, 1).reshape(images * height, width, channels)
        y = torch.matmul(columns, y).reshape(images, height, -1)
        y = torch.matmul(rows, y).view(images, len(rows), len(columns), channels)
        return y.permute(0, 3, 1, 2)

    def matrix(self, size: int, like: Tensor) -> Tensor:
        """Return A (outputs, size) of an axis, in the type and on the device of `like`.

        Raises:
            SymscapeError: the axis is too short to be reflected.
        """
        taps = self.taps or taps_for(size)
        before, after = (taps - 1) // 2, taps // 2
        if size <= after and self.mode in ("reflect", "circular"):
            raise SymscapeError(f"a blur of {taps} taps needs more than {after} pixels, not {size}")
        return _matrix(size, taps, (before, after), self.mode, self.stride, like.dtype, like.device)

    def extra_repr(self) -> str:
        """Show the filter."""
        return f"taps={self.taps or 'auto'}, mode={self.mode}, stride={self.stride}"


def taps_for(size: int) -> int:
    """Return the filter that leaves a map of this size balanced: 4 if it is even, 3 if odd."""
    return 4 if size % 2 == 0 else 3


@lru_cache(maxsize=128)
def _matrix(
    size: int,
    taps: int,
    pads: tuple[int, int],
    mode: str,
    stride: int,
    dtype: torch.dtype,
    device: torch.device,
) -> Tensor:
    # Ordinary tensors, also where inference mode asks first.
    with torch.inference_mode(False), torch.device("cpu"):
        binomial = torch.tensor([comb(taps - 1, i) for i in range(taps)], dtype=torch.float64)
        each_pixel = torch.eye(size, dtype=torch.float64).unsqueeze(1)
        beyond = functional.pad(each_pixel, pads, "constant" if mode == "zeros" else mode)
        windows = beyond.squeeze(1).unfold(-1, taps, stride)
        return (windows @ (binomial / binomial.sum())).T.contiguous().to(device, dtype)
