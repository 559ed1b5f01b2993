"""Which of its grids a strided block samples (after SBPool, ICLR 2023; our reading of it).

A window of k pixels moves by s over h padded pixels in u rows fewer than there are: torch leaves
out the last u. A block that leaves out r first rows and u - r last ones, r drawn anew at every
step, prefers no side.
"""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
from torch import Tensor, nn

from symscape.symmetry.groups import KernelSize


class Grid(nn.Module):
    """The grid of one block, shared by all its branches; the first one outside training."""

    draw: tuple[float, float] = (0.0, 0.0)
    """Uniform in [0, 1): which of the grids, by axis."""

    def starts(self, spare: KernelSize) -> KernelSize:
        """Return how many first rows and columns are left out, of those that no window needs."""
        if not self.training:
            return 0, 0
        rows, columns = (int(d * (u + 1)) for d, u in zip(self.draw, spare, strict=True))
        return rows, columns


class StridedSlices(nn.Module):
    """Every s-th pixel, without parameters."""

    def __init__(self, stride: int, grid: Grid | None = None) -> None:
        super().__init__()
        self.stride, self.grid = stride, grid

    def forward(self, x: Tensor) -> Tensor:
        """Map x (N, C, H, W) to (N, C, ceil(H / stride), ceil(W / stride))."""
        s, top, left = self.stride, 0, 0
        if self.grid is not None:
            rows, columns = ((n - 1) % s for n in x.shape[-2:])
            top, left = self.grid.starts((rows, columns))
        return x[:, :, top::s, left::s]


def grids_of(network: nn.Module) -> list[Grid]:
    """Return the grids of a network in module order."""
    return [module for module in network.modules() if isinstance(module, Grid)]


def draw_grids(grids: Sequence[Grid], seed: int, step: int) -> None:
    """Draw all grids anew, from the seed and the number of the step alone."""
    if grids:
        draws = np.random.default_rng((seed, step)).random((len(grids), 2))
        for grid, (rows, columns) in zip(grids, draws.tolist(), strict=True):
            grid.draw = (rows, columns)
