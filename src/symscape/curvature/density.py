"""The spectral density of a symmetric operator by stochastic Lanczos quadrature.

Ubaru, Chen and Saad 2017; Ghorbani, Krishnan and Xiao 2019. From a random unit vector, m Lanczos
steps give a quadrature rule whose nodes are Ritz values and whose weights are the squared first
entries of their eigenvectors; the mean over start vectors approaches the density.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

from torch import Tensor

from symscape.curvature.lanczos import Basis
from symscape.curvature.operator import Operator


@dataclass(frozen=True)
class Density:
    """Nodes and weights of each start vector; the weights of each sum to 1."""

    nodes: list[list[float]]
    weights: list[list[float]]
    products: int


def spectral_density(
    operator: Operator,
    *,
    like: Tensor,
    starts: int = 4,
    steps: int = 40,
    seed: int = 0,
    report: Callable[[int], None] = lambda _products: None,
) -> Density:
    """Return the quadrature rules of `starts` random vectors.

    Cost: starts x steps products.
    """
    nodes, weights, done = [], [], 0
    for start in range(starts):
        basis = Basis(operator, min(steps, operator.dimension), like, seed=seed * 1000 + start)
        while not basis.full and not basis.exhausted:
            basis.step()
            done += 1
            report(done)
        values, _, vectors = basis.ritz()
        nodes.append(values.tolist())
        weights.append(vectors[0].square().tolist())
    return Density(nodes, weights, done)
