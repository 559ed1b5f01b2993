"""The geometry of a convolution with tied taps: where each tap meets the image."""

from __future__ import annotations

import math
from dataclasses import dataclass, replace

from torch import Tensor

from symscape.symmetry.groups import KernelSize


@dataclass(frozen=True)
class Geometry:
    """A convolution with tied taps, of images of one size."""

    labels: tuple[tuple[int, ...], ...]
    """The orbit of each tap: kh rows of kw."""
    size: KernelSize
    """Height and width of the input."""
    stride: int = 1
    padding: KernelSize = (0, 0)

    @property
    def kernel_size(self) -> KernelSize:
        """Height and width of the kernel."""
        return len(self.labels), len(self.labels[0])

    @property
    def orbits(self) -> int:
        """The number of orbits, d."""
        return 1 + max(max(row) for row in self.labels)

    @property
    def out_size(self) -> KernelSize:
        """Height and width of the output."""
        height, width = (
            (n + 2 * p - k) // self.stride + 1
            for n, p, k in zip(self.size, self.padding, self.kernel_size, strict=True)
        )
        return height, width

    @property
    def inside(self) -> int:
        """Pairs of an output and a tap that meets the image there, not the zeros around it."""
        tall, wide = (
            sum(len(self.reach(tap, axis)) for tap in range(self.kernel_size[axis]))
            for axis in (0, 1)
        )
        return tall * wide

    @property
    def work(self) -> int:
        """Elements that a fold reads and writes for each image and channel."""
        return self.inside + self.orbits * math.prod(self.out_size)

    def reach(self, tap: int, axis: int) -> range:
        """Return the outputs along an axis for which a tap, a row or a column, is in the image."""
        shift = self.padding[axis] - tap
        first = max(-(-shift // self.stride), 0)
        last = min((self.size[axis] - 1 + shift) // self.stride, self.out_size[axis] - 1)
        return range(first, max(last + 1, first))

    def met(self, outputs: Tensor, tap: int, axis: int) -> Tensor:
        """Return where a tap meets the image along an axis, for outputs within its reach."""
        return self.stride * outputs + tap - self.padding[axis]

    def reflected(self) -> Geometry:
        """Return the convolution that maps output gradients to input gradients, for stride 1."""
        height, width = (k - 1 - p for k, p in zip(self.kernel_size, self.padding, strict=True))
        labels = tuple(row[::-1] for row in self.labels[::-1])
        return replace(self, labels=labels, size=self.out_size, padding=(height, width))
