"""Kernels as rows of taps, without a copy.

Shapes: O filters, I input channels, n = kh * kw taps.
"""

from __future__ import annotations

from torch import Tensor

from symscape.symmetry.groups import KernelSize


def taps_last(kernel: Tensor) -> Tensor:
    """View a kernel (O, I, kh, kw) as taps (O, n, I), without a copy where it is channels-last."""
    return kernel.permute(0, 2, 3, 1).flatten(1, 2)


def kernel_of_taps(taps: Tensor, kernel_size: KernelSize) -> Tensor:
    """View contiguous taps (O, n, I) as a channels-last kernel (O, I, kh, kw).

    A kernel that comes out in another memory format makes a channels-last convolution on a CPU
    several times slower.
    """
    return taps.view(len(taps), *kernel_size, -1).permute(0, 3, 1, 2)
