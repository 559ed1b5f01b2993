"""A convolution whose kernel obeys a symmetry, however it is stored.

Shapes: O filters, I input channels a group, n = kh * kw taps, d orbits. U (n, d) and P (n, n) are
the orthonormal orbit basis and the projector of `symmetry.basis`. The property `weight` is the
effective kernel (O, I, kh, kw), the one that the convolution applies.
"""

from __future__ import annotations

import math
from collections.abc import Callable
from functools import partial
from typing import Any, Self

import torch
from torch import Tensor, nn

from symscape.layers.folding.fold import folded_conv2d
from symscape.layers.folding.geometry import Geometry
from symscape.layers.folding.taps import taps_last
from symscape.layers.sampling.grid import Grid
from symscape.layers.sampling.padding import PaddedConv2d, padding_of
from symscape.layers.sampling.strided import convolve
from symscape.symmetry.groups import KernelSize, Symmetry


class SymmetricConv2d(nn.Module):
    """A convolution with a constrained kernel; subclasses say how the kernel is stored.

    Args:
        symmetry: ties the taps.
        in_channels, out_channels, kernel_size, stride, padding, groups, bias, dilation: as of
            nn.Conv2d.
        mode: what is beyond the border (`layers.sampling.padding`).
        grid: of the block that it belongs to.
    """

    orbits: Tensor
    foldable = True
    """Whether every kernel that can be stored has equal taps in each orbit."""
    stride: KernelSize
    padding: KernelSize | str
    compute = "direct"
    """direct: convolve with `weight`; fold: sum the inputs of each orbit first (`layers.fold`)."""

    def __init__(
        self,
        symmetry: Symmetry,
        in_channels: int,
        out_channels: int,
        kernel_size: KernelSize,
        stride: int | KernelSize = 1,
        padding: KernelSize | str = (0, 0),
        groups: int = 1,
        bias: bool = False,
        mode: str = "zeros",
        grid: Grid | None = None,
        dilation: KernelSize = (1, 1),
    ) -> None:
        super().__init__()
        self.symmetry = symmetry
        self.in_channels, self.out_channels = in_channels, out_channels
        self.stride = (stride, stride) if isinstance(stride, int) else stride
        self.kernel_size, self.padding, self.dilation = kernel_size, padding, dilation
        self.groups, self.mode, self.grid = groups, mode, grid
        self.pads = padding_of(kernel_size, self.stride, padding, mode, dilation)
        self.register_buffer("orbits", symmetry.orbits(kernel_size), persistent=False)
        rows = self.orbits.view(kernel_size).tolist()
        self.labels = tuple(tuple(row) for row in rows)
        self._make_kernel(out_channels, in_channels // groups)
        self._make_matrices(next(self.parameters()))
        self.bias = nn.Parameter(torch.zeros(out_channels)) if bias else None

    def _make_kernel(self, filters: int, inputs: int) -> None:
        """Make the stored parameter."""
        raise NotImplementedError

    def _make_matrices(self, like: Tensor) -> None:
        """Make the matrices that map it to taps, exact in the type of `like`."""
        raise NotImplementedError

    def _apply(self, fn: Callable[[Tensor], Tensor], recurse: bool = True) -> Self:
        """Move or convert; matrices are made anew, since float32 ones are no float64 ones."""
        super()._apply(fn, recurse)  # type: ignore[no-untyped-call]
        self._make_matrices(next(self.parameters()))
        return self

    @property
    def weight(self) -> Tensor:
        """The effective kernel (O, I, kh, kw), channels-last."""
        raise NotImplementedError

    @property
    def orbit_values(self) -> Tensor:
        """The value (O, d, I) that the effective kernel has on the taps of each orbit."""
        raise NotImplementedError

    @property
    def can_fold(self) -> bool:
        """Whether there is a fold of it: equal taps, one stride, no taps apart."""
        return self.foldable and self.dilation == (1, 1) and self.stride[0] == self.stride[1]

    def geometry(self, size: KernelSize) -> Geometry:
        """Return the convolution's geometry on images of this height and width, padded."""
        seen, zeros = self.pads.left(size)
        return Geometry(self.labels, seen, self.stride[0], zeros)

    @torch.no_grad()
    def start_from(self, kernel: Tensor, init: str) -> None:
        """Start from the projection of a vanilla kernel draw (O, I, kh, kw).

        `init="matched"` scales it by sqrt(n / d), so that E ||K||^2 is the vanilla kernel's;
        `"plain"` leaves the share d / n of that energy.
        """
        scale = math.sqrt(self.taps / self.dimension) if init == "matched" else 1.0
        self._store(taps_last(kernel * scale))

    def _store(self, taps: Tensor) -> None:
        raise NotImplementedError

    @property
    def taps(self) -> int:
        """n, the number of taps of a kernel."""
        return math.prod(self.kernel_size)

    @property
    def dimension(self) -> int:
        """d, the number of orbits: free parameters of one kernel."""
        return int(self.orbits.max()) + 1

    def forward(self, x: Tensor) -> Tensor:
        """Convolve x (N, I * groups, H, W) with the effective kernel."""
        compute = self._folded if self.compute == "fold" else self._direct
        return self.pads.apply(x, self.bias, compute, self.grid)

    def _direct(self, x: Tensor, zeros: KernelSize, bias: Tensor | None) -> Tensor:
        stride, dilation = self.stride, self.dilation
        return convolve(x, self.weight, bias, stride, zeros, dilation, self.groups)

    def _folded(self, x: Tensor, zeros: KernelSize, bias: Tensor | None) -> Tensor:
        geometry = Geometry(self.labels, (x.shape[-2], x.shape[-1]), self.stride[0], zeros)
        y = folded_conv2d(x, self.orbit_values, geometry, self.groups)
        return y if bias is None else y + bias.to(y.dtype)[:, None, None]

    def plain(self) -> nn.Conv2d:
        """Return the nn.Conv2d that computes the same function, with tensors of its own."""
        conv = _empty_conv(self)
        with torch.no_grad():
            conv.weight.copy_(self.weight)
            if self.bias is not None and conv.bias is not None:
                conv.bias.copy_(self.bias)
        return conv

    def extra_repr(self) -> str:
        """Show what nn.Conv2d shows, and the symmetry."""
        return (
            f"{self.in_channels}, {self.out_channels}, kernel_size={self.kernel_size}, "
            f"stride={self.stride}, padding={self.padding}, symmetry={self.symmetry.name}"
        )


def _empty_conv(conv: SymmetricConv2d) -> nn.Conv2d:
    weight = conv.weight
    # On the meta device nothing is drawn for weights that are overwritten.
    # The standard module wherever it does the same.
    named = isinstance(conv.padding, str)
    ours = (conv.mode != "zeros" and not named and any(conv.padding)) or conv.grid is not None
    make: Callable[..., nn.Conv2d] = partial(PaddedConv2d, mode=conv.mode, grid=conv.grid)
    if not ours:
        standard: Any = conv.mode if named else "zeros"
        make = partial(nn.Conv2d, padding_mode=standard)
    empty = make(
        conv.in_channels,
        conv.out_channels,
        conv.kernel_size,
        stride=conv.stride,
        padding=conv.padding,
        dilation=conv.dilation,
        groups=conv.groups,
        bias=conv.bias is not None,
        device="meta",
        dtype=weight.dtype,
    )
    return empty.to_empty(device=weight.device).to(memory_format=torch.channels_last)
