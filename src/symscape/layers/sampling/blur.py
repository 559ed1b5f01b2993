"""Blurring before subsampling (Zhang 2019, arXiv 1904.11486), as products with matrices.

A row of f binomial coefficients is moved by a stride over each axis. As the map is padded by copies
of itself, that is a matrix: y = A x B^T, the padding included. Products are several times as fast
as PyTorch's depthwise convolutions on a CPU (their gradients ten times), and so are their
derivatives. Where channels are last, pixels are rows of a table and every output is a weighted bag
of rows, which PyTorch's `embedding_bag` sums in one pass, in half the time again.
"""

from __future__ import annotations

from dataclasses import dataclass
from functools import lru_cache
from math import comb
from typing import Any

import torch
from torch import Tensor, nn
from torch.nn import functional

from symscape.errors import SymscapeError

LARGEST = 1 << 22
"""Entries of a table; longer ones would take more memory than they save time."""


@dataclass(frozen=True)
class _Axis:
    """A blur along one axis."""

    size: int
    taps: int
    mode: str
    stride: int

    @property
    def bags(self) -> int:
        """Outputs."""
        return (self.size - 1) // self.stride + 1


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
        if x.device.type == "cpu" and not torch.compiler.is_compiling():
            rows, columns = (self._axis(n) for n in x.shape[-2:])
            if len(x) * rows.bags * columns.bags * rows.taps * columns.taps <= LARGEST:
                y: Tensor = _Bags.apply(x, rows, columns, False)
                return y
        return self._products(x)

    def _products(self, x: Tensor) -> Tensor:
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
        return _matrix(self._axis(size), like.dtype, like.device)

    def _axis(self, size: int) -> _Axis:
        taps = self.taps or taps_for(size)
        if size <= taps // 2 and self.mode in ("reflect", "circular"):
            needed = f"needs more than {taps // 2} pixels, not {size}"
            raise SymscapeError(f"a blur of {taps} taps {needed}")
        return _Axis(size, taps, self.mode, self.stride)

    def extra_repr(self) -> str:
        """Show the filter."""
        return f"taps={self.taps or 'auto'}, mode={self.mode}, stride={self.stride}"


def taps_for(size: int) -> int:
    """Return the filter that leaves a map of this size balanced: 4 if it is even, 3 if odd."""
    return 4 if size % 2 == 0 else 3


@lru_cache(maxsize=128)
def _matrix(axis: _Axis, dtype: torch.dtype, device: torch.device) -> Tensor:
    # Ordinary tensors, also where inference mode asks first.
    with torch.inference_mode(False), torch.device("cpu"):
        taps = axis.taps
        binomial = torch.tensor([comb(taps - 1, i) for i in range(taps)], dtype=torch.float64)
        each_pixel = torch.eye(axis.size, dtype=torch.float64).unsqueeze(1)
        mode = "constant" if axis.mode == "zeros" else axis.mode
        beyond = functional.pad(each_pixel, ((taps - 1) // 2, taps // 2), mode)
        windows = beyond.squeeze(1).unfold(-1, taps, axis.stride)
        return (windows @ (binomial / binomial.sum())).T.contiguous().to(device, dtype)


@lru_cache(maxsize=16)
def _table(
    rows: _Axis, columns: _Axis, images: int, dtype: torch.dtype, adjoint: bool
) -> tuple[Tensor, Tensor, Tensor]:
    """Return the pixels of all bags, where each bag begins (bags + 1,), and the pixels' weights.

    A bag is an output and its rows are pixels; of the adjoint the other way.
    """
    with torch.inference_mode(False), torch.device("cpu"):
        matrices = [_matrix(axis, torch.float64, torch.device("cpu")) for axis in (rows, columns)]
        matrix = torch.kron(matrices[0], matrices[1])
        matrix = matrix.T if adjoint else matrix
        bag, pixel = matrix.nonzero(as_tuple=True)
        image = torch.arange(images).unsqueeze(1)
        pixels = (pixel + matrix.shape[1] * image).flatten()
        ends = torch.bincount(bag, minlength=len(matrix)).repeat(images).cumsum(0)
        weights = matrix[bag, pixel].repeat(images).to(dtype)
        return pixels.int(), functional.pad(ends, (1, 0)).int(), weights


class _Bags(torch.autograd.Function):
    """The blur of x (N, C, H, W), or its adjoint: linear, so each is the other's gradient."""

    @staticmethod
    def forward(ctx: Any, x: Tensor, rows: _Axis, columns: _Axis, adjoint: bool) -> Tensor:
        ctx.made_of = rows, columns, adjoint
        pixels, ends, weights = _table(rows, columns, len(x), x.dtype, adjoint)
        table = x.permute(0, 2, 3, 1).reshape(-1, x.shape[1])
        y = functional.embedding_bag(
            pixels, table, ends, mode="sum", per_sample_weights=weights, include_last_offset=True
        )
        height, width = (each.size if adjoint else each.bags for each in (rows, columns))
        return y.view(len(x), height, width, x.shape[1]).permute(0, 3, 1, 2)

    @staticmethod
    def backward(ctx: Any, *gradients: Tensor) -> tuple[Tensor | None, ...]:
        rows, columns, adjoint = ctx.made_of
        dx: Tensor = _Bags.apply(gradients[0], rows, columns, not adjoint)
        return dx, None, None, None
