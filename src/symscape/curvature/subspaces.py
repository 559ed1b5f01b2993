"""The directions in which curvature is measured, in orthonormal coordinates.

Where a kernel obeys a symmetry, its own coordinates are those of `layers.bases`; what has no such
basis is free in `own`.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass

import torch
from torch import Tensor, nn

from symscape.curvature.hessian import Hessian
from symscape.layers.bases import Basis
from symscape.layers.conv import SymmetricConv2d
from symscape.layers.folding.ties import Labels

SUBSPACES = ("own", "ambient", "complement", "random")
SCALINGS = ("none", "filter", "elementwise")


def kernel_labels(network: nn.Module) -> dict[str, Labels]:
    """Return the orbit of each tap of the same kernels, by the name of their convolution."""
    return {
        name: module.labels
        for name, module in network.named_modules()
        if isinstance(module, SymmetricConv2d) and module.can_fold
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
    basis: Basis | None
    """In the type of the coordinates."""

    @property
    def rows(self) -> int:
        entries = self.shape.numel()
        return entries if self.basis is None else entries // len(self.basis.matrix)

    @property
    def size(self) -> int:
        return self.rows if self.basis is None else self.rows * self.basis.matrix.shape[1]

    def lift(self, z: Tensor) -> Tensor:
        if self.basis is None:
            return z
        return self.basis.lift(z.view(self.rows, self.basis.matrix.shape[1]))

    def restrict(self, v: Tensor) -> Tensor:
        return v if self.basis is None else self.basis.restrict(v).reshape(-1)


def _block(parameter: Tensor, basis: Basis | None) -> _Block:
    return _Block(parameter.shape, None if basis is None else basis.to(parameter))


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
    for parameter in (p for p in network.parameters() if p.requires_grad):
        size = parameter.detach().abs()
        if name == "filter" and parameter.dim() > 1:
            norms = parameter.detach().flatten(1).norm(dim=1)
            size = norms.view(-1, *[1] * (parameter.dim() - 1)).expand_as(parameter)
        parts.append(size.reshape(-1))
    return torch.cat(parts)
