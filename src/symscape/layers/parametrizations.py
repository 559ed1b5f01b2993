"""The three ways to store a symmetric kernel: tied, projected, penalty.

Shapes as in `layers.conv`: O filters, I input channels a group, n taps, d orbits.
"""

from __future__ import annotations

import torch
from torch import Tensor, nn

from symscape.layers.conv import SymmetricConv2d
from symscape.layers.folding.taps import kernel_of_taps, taps_last
from symscape.symmetry.basis import orbit_indicators, orthonormal_basis, projector


class TiedConv2d(SymmetricConv2d):
    """Stores orthonormal orbit coordinates u (O, d, I); K = U u.

    SGD on u is projected SGD on K, weight decay is that of K, and the Hessian in u is U^T H U.
    """

    basis: Tensor
    scale: Tensor

    def _make_kernel(self, filters: int, inputs: int) -> None:
        self.coordinates = nn.Parameter(torch.zeros(filters, self.dimension, inputs))

    def _make_matrices(self, like: Tensor) -> None:
        basis = orthonormal_basis(self.orbits).to(like)
        self.register_buffer("basis", basis, persistent=False)
        # Each row of U has one entry: the scale of the tap's orbit.
        self.register_buffer("scale", basis.amax(0)[:, None], persistent=False)

    @property
    def weight(self) -> Tensor:
        """The effective kernel U u.

        By copying each orbit's value to its taps, which autocast does not round. The gradient sums
        over orbits in a fixed order: on GPUs where algorithms are deterministic, as in training.
        """
        taps = self.orbit_values.index_select(1, self.orbits)
        return kernel_of_taps(taps, self.kernel_size)

    @property
    def orbit_values(self) -> Tensor:
        """The coordinates, each scaled by its orbit's entries in U."""
        return self.coordinates * self.scale

    def _store(self, taps: Tensor) -> None:
        self.coordinates.copy_(self.basis.T @ taps)


class _FullKernelConv2d(SymmetricConv2d):
    """Stores full kernels as taps (O, n, I)."""

    projector: Tensor

    def _make_kernel(self, filters: int, inputs: int) -> None:
        self.full_taps = nn.Parameter(torch.zeros(filters, self.taps, inputs))

    def _make_matrices(self, like: Tensor) -> None:
        self.register_buffer("projector", projector(self.orbits).to(like), persistent=False)

    def _store(self, taps: Tensor) -> None:
        self.full_taps.copy_(taps)

    def _projected(self) -> Tensor:
        """Return P W (O, n, I), in the kernel's own precision also under autocast."""
        with torch.autocast(self.full_taps.device.type, enabled=False):
            return torch.matmul(self.projector, self.full_taps)


class ProjectedConv2d(_FullKernelConv2d):
    """Stores a full kernel W; K = P W.

    The asymmetric part of W gets no gradient and only decays. Earlier work trained so.
    """

    means: Tensor

    def _make_matrices(self, like: Tensor) -> None:
        super()._make_matrices(like)
        indicators = orbit_indicators(self.orbits)
        means = (indicators / indicators.sum(0)).T
        self.register_buffer("means", means.to(like), persistent=False)

    @property
    def weight(self) -> Tensor:
        """The effective kernel P W."""
        return kernel_of_taps(self._projected(), self.kernel_size)

    @property
    def orbit_values(self) -> Tensor:
        """The mean of W over each orbit."""
        with torch.autocast(self.full_taps.device.type, enabled=False):
            return torch.matmul(self.means, self.full_taps)


class PenaltyConv2d(_FullKernelConv2d):
    """Stores a plain kernel K, whose asymmetry the training loss can punish.

    It starts as a vanilla kernel does: both initialisations are the unprojected draw.
    """

    foldable = False

    @property
    def weight(self) -> Tensor:
        """The stored kernel."""
        return kernel_of_taps(self.full_taps, self.kernel_size)

    @torch.no_grad()
    def start_from(self, kernel: Tensor, init: str) -> None:
        """Start from the vanilla kernel draw itself."""
        self._store(taps_last(kernel))

    def asymmetry(self) -> Tensor:
        """Return ||(I - P) K||^2, a scalar that carries a gradient."""
        return (self.full_taps - self._projected()).square().sum()


PARAMETRIZATIONS: dict[str, type[SymmetricConv2d]] = {
    "tied": TiedConv2d,
    "projected": ProjectedConv2d,
    "penalty": PenaltyConv2d,
}
