"""The spaces that constrained kernels lie in, by orthonormal bases.

A kernel (O, I, kh, kw) has n = kh * kw taps. Where it obeys a symmetry with basis U (n, d), its own
coordinates are z (O, I, d) with taps z U^T.

Kernels on a group are tied between elements: a symmetry of the square moves each entry of the plain
kernel, among elements and taps, through an orbit of as many entries as there are symmetries. There
the orbits are the rows, and the basis is one vector of equal entries. So all kernels of a grid, of
whatever factors, have one and the same space.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

import torch
from torch import Tensor, nn

from symscape.layers.conv import SymmetricConv2d
from symscape.layers.lie.conv import GroupConv2d
from symscape.layers.lie.kernel import spread
from symscape.symmetry.basis import orthonormal_basis


@dataclass(frozen=True)
class Basis:
    """An orthonormal basis of the rows that a kernel's entries are arranged in."""

    matrix: Tensor
    """U (n, d), float64, for rows of n entries."""
    order: Tensor | None = None
    """Which entry stands where, row after row: int64; None: as they lie, taps in rows."""

    def to(self, like: Tensor) -> Basis:
        """Return it on the device and in the type of a tensor."""
        order = None if self.order is None else self.order.to(like.device)
        return Basis(self.matrix.to(like.device, like.dtype), order)

    def lift(self, z: Tensor) -> Tensor:
        """Return the entries, flat, of a kernel whose rows have the coordinates z (rows, d)."""
        v = (z @ self.matrix.T).reshape(-1)
        return v if self.order is None else torch.empty_like(v).index_copy_(0, self.order, v)

    def restrict(self, v: Tensor) -> Tensor:
        """Return the coordinates (rows, d) of the projection of a kernel's entries v, flat."""
        v = v if self.order is None else v[self.order]
        return v.view(-1, len(self.matrix)) @ self.matrix


def same_space(a: Mapping[str, Basis], b: Mapping[str, Basis]) -> bool:
    """Whether bases of the same parameters are equal."""
    return a.keys() == b.keys() and all(_equal(a[name], b[name]) for name in a)


def _equal(a: Basis, b: Basis) -> bool:
    if a.order is None or b.order is None:
        return a.order is b.order and torch.equal(a.matrix, b.matrix)
    return torch.equal(a.order, b.order) and torch.equal(a.matrix, b.matrix)


def kernel_bases(network: nn.Module) -> dict[str, Basis]:
    """Return the basis of each kernel whose form is constrained, by parameter name.

    Args:
        network: built from the run's config, symmetric convolutions and all. With
            `parametrization=penalty` no kernel is constrained.
    """
    found = {}
    for name, module in network.named_modules():
        if isinstance(module, SymmetricConv2d) and module.foldable:
            found[f"{name}.weight"] = Basis(orthonormal_basis(module.orbits))
        elif isinstance(module, GroupConv2d) and len(module.lattice()) > 1:
            found[f"{name}.weight"] = lattice_basis(module)
    return found


def lattice_basis(conv: GroupConv2d) -> Basis:
    """Return the basis of kernels that the lattice symmetries of a grid tie."""
    symmetries, k = conv.lattice(), conv.kernel_size
    filters, inputs = conv.out_channels, conv.in_channels
    size, elements = conv.grid.size, conv.kernel.elements
    # The plain kernel (O N, I M, k, k) with the number of each entry, as (N, M, k, k, O, I).
    entries = torch.arange(filters * size * inputs * elements * k * k)
    shaped = entries.view(filters, size, inputs, elements, k, k).permute(1, 3, 4, 5, 0, 2)
    images = []
    for name, p in symmetries.items():
        # Where a symmetry brings each entry: the same move that fills a kernel from its parts.
        moved = spread(
            shaped if elements > 1 else shaped[:, 0], {name: p}, 2 if elements > 1 else 1
        )
        images.append(moved.reshape(-1))
    rows = torch.stack(images, 1)
    first = rows.amin(1) == rows[:, 0]
    vector = torch.full((len(symmetries), 1), len(symmetries) ** -0.5, dtype=torch.float64)
    return Basis(vector, rows[first].flatten())
