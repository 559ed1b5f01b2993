"""The directions in which curvature is measured, in orthonormal coordinates.

A kernel (O, I, kh, kw) has n = kh * kw taps. Where it obeys a symmetry with basis U (n, d), its own
coordinates are z (O, I, d) with taps z U^T. What has no such basis is free in `own`.

Kernels on a group are tied between elements: a symmetry of the square moves each entry of the plain
kernel, among elements and taps, through an orbit of as many entries as there are symmetries. There
the orbits are the rows, and the basis is one vector of equal entries. So all kernels of a grid, of
whatever factors, have one and the same space.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass

import torch
from torch import Tensor, nn

from symscape.curvature.hessian import Hessian
from symscape.layers.conv import SymmetricConv2d
from symscape.layers.folding.ties import Labels
from symscape.layers.lie.conv import GroupConv2d
from symscape.layers.lie.kernel import spread
from symscape.symmetry.basis import orthonormal_basis

SUBSPACES = ("own", "ambient", "complement", "random")
SCALINGS = ("none", "filter", "elementwise")


@dataclass(frozen=True)
class Basis:
    """An orthonormal basis of the rows that a kernel's entries are arranged in."""

    matrix: Tensor
    """U (n, d), float64, for rows of n entries."""
    order: Tensor | None = None
    """Which entry stands where, row after row: int64; None: as they lie, taps in rows."""


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


def kernel_labels(network: nn.Module) -> dict[str, Labels]:
    """Return the orbit of each tap of the same kernels, by the name of their convolution."""
    return {
        name: module.labels
        for name, module in network.named_modules()
        if isinstance(module, SymmetricConv2d) and module.foldable
    }


def choose_bases(
    network: nn.Module, own: Mapping[str, Basis], subspace: str, seed: int = 0
) -> dict[str, Basis | None]:
    """Return the basis of each parameter of a plain network in a subspace; None leaves it free.

    `complement` holds the taps that the symmetry forbids, and nothing else. `random` draws, for
    each constrained layer, random taps of the same dimension.

    Args:
        network: plain.
        own: what `kernel_bases` returned.
        subspace: one of SUBSPACES.
        seed: of `random`.
    """
    generator = torch.Generator().manual_seed(seed)
    chosen: dict[str, Basis | None] = {}
    for name, parameter in network.named_parameters():
        basis = own.get(name)
        if subspace == "complement":
            nothing = torch.zeros(_taps(parameter), 0, dtype=torch.float64)
            rest = Basis(nothing)
            if basis is not None:
                rest = Basis(_orthogonal_complement(basis.matrix), basis.order)
            chosen[name] = rest
        elif basis is None or subspace == "ambient":
            chosen[name] = None
        elif subspace == "random":
            draw = torch.randn(basis.matrix.shape, generator=generator, dtype=torch.float64)
            chosen[name] = Basis(torch.linalg.qr(draw)[0], basis.order)
        else:
            chosen[name] = basis
    return chosen


def _taps(parameter: Tensor) -> int:
    return parameter.shape[2:].numel()


def _orthogonal_complement(basis: Tensor) -> Tensor:
    taps, dimension = basis.shape
    rest: Tensor = torch.linalg.svd(basis, full_matrices=True)[0][:, dimension:taps]
    return rest


@dataclass(frozen=True)
class _Block:
    """One parameter's part of the coordinates."""

    shape: torch.Size
    basis: Tensor | None
    """(n, d), in the type of the coordinates."""
    order: Tensor | None = None
    """Of the entries in rows of n."""

    @property
    def kernels(self) -> int:
        return self.shape.numel() if self.basis is None else self.shape.numel() // len(self.basis)

    @property
    def size(self) -> int:
        return self.kernels if self.basis is None else self.kernels * self.basis.shape[1]

    def lift(self, z: Tensor) -> Tensor:
        if self.basis is None:
            return z
        v = (z.view(self.kernels, self.basis.shape[1]) @ self.basis.T).reshape(-1)
        return v if self.order is None else torch.empty_like(v).index_copy_(0, self.order, v)

    def restrict(self, v: Tensor) -> Tensor:
        if self.basis is None:
            return v
        v = v if self.order is None else v[self.order]
        return (v.view(self.kernels, self.basis.shape[0]) @ self.basis).reshape(-1)


def _block(parameter: Tensor, basis: Basis | None) -> _Block:
    if basis is None:
        return _Block(parameter.shape, None)
    order = None if basis.order is None else basis.order.to(parameter.device)
    return _Block(parameter.shape, basis.matrix.to(parameter.device, parameter.dtype), order)


class Restricted:
    """U^T D H D U for an orthonormal U and a positive scaling D; H is symmetric, so it is too.

    Args:
        hessian: H, with n parameters.
        bases: what `choose_bases` returned.
        scale: D, (n,); None is no scaling.
    """

    def __init__(
        self,
        hessian: Hessian,
        bases: Mapping[str, Basis | None],
        scale: Tensor | None = None,
    ) -> None:
        self.hessian, self.scale = hessian, scale
        self.blocks = [
            _block(p, bases[name])
            for name, p in hessian.network.named_parameters()
            if p.requires_grad
        ]
        self.dimension = sum(block.size for block in self.blocks)

    def product(self, vector: Tensor) -> Tensor:
        """Return the product with a vector of coordinates; the cost is that of H."""
        return self.restrict(self.hessian.product(self.lift(vector)))

    def lift(self, z: Tensor) -> Tensor:
        """Return D U z, (n,)."""
        v = self._each(z, [b.size for b in self.blocks], _Block.lift)
        return v if self.scale is None else self.scale * v

    def restrict(self, v: Tensor) -> Tensor:
        """Return U^T D v, (dimension,)."""
        scaled = v if self.scale is None else self.scale * v
        return self._each(scaled, [b.shape.numel() for b in self.blocks], _Block.restrict)

    def _each(
        self, vector: Tensor, sizes: list[int], move: Callable[[_Block, Tensor], Tensor]
    ) -> Tensor:
        parts = torch.split(vector, sizes)
        return torch.cat([move(b, part) for b, part in zip(self.blocks, parts, strict=True)])


@torch.no_grad()
def scaling(network: nn.Module, name: str) -> Tensor | None:
    """Return D, (n,), from the effective kernels; None for `none`.

    filter: the norm of each filter (row) for every weight in it, which rescaling a filter leaves in
    step with the weights; elementwise: |w|. Biases and the weights of norms are scaled by their
    own size in both.
    """
    if name == "none":
        return None
    parts = []
    for parameter in network.parameters():
        size = parameter.detach().abs()
        if name == "filter" and parameter.dim() > 1:
            norms = parameter.detach().flatten(1).norm(dim=1)
            size = norms.view(-1, *[1] * (parameter.dim() - 1)).expand_as(parameter)
        parts.append(size.reshape(-1))
    return torch.cat(parts)
