"""Eigenvalues of a symmetric operator by Lanczos, with what makes them believable.

Full reorthogonalisation, so no spurious copies; thick restarts (Wu and Simon 2000) where the basis
grows too large: the projected matrix is kept whole, so a restart keeps the best Ritz vectors.
m: size of the basis, n: dimension of the operator.
"""

from __future__ import annotations

import math
from collections.abc import Callable
from dataclasses import dataclass

import torch
from torch import Tensor

from symscape.curvature.operator import Operator

TOLERANCE = 1e-3
MAX_PRODUCTS = 200
BASIS_BYTES = 2 << 30


@dataclass(frozen=True)
class Captured:
    """The trace within a subspace, exactly: tr(V A V^T)."""

    basis: Tensor
    """V (m, n), orthonormal."""
    trace: float


@dataclass(frozen=True)
class Eigenvalues:
    """The k eigenvalues of largest size, largest first."""

    values: list[float]
    residuals: list[float]
    """||A v - lambda v|| / |lambda|: an eigenvalue lies that near, relatively."""
    products: int
    converged: bool
    """Whether every residual is below the tolerance."""
    vectors: Tensor
    """(k, n), orthonormal."""
    captured: Captured | None
    """What the products say of the trace, if it was asked for: memory for all directions."""


def largest_eigenvalues(
    operator: Operator,
    count: int,
    *,
    like: Tensor,
    tolerance: float = TOLERANCE,
    max_products: int = MAX_PRODUCTS,
    seed: int = 0,
    basis_bytes: int = BASIS_BYTES,
    capture: bool = False,
    report: Callable[[int, float], None] = lambda _products, _error: None,
) -> Eigenvalues:
    """Return the `count` eigenvalues of largest size.

    Cost: at most `max_products` products, and O(n m) a step for the orthogonalisation.

    Args:
        operator: symmetric.
        count: at most the dimension.
        like: of the vectors' type and device.
        tolerance: of the residuals. (Errors are about residual^2 / gap, but gaps are not known.)
        max_products: after which to stop, not converged.
        seed: of the start vector.
        basis_bytes: for the basis, which restarts when it is full.
        capture: return what the products say of the trace, too.
        report: called after every product with the number of products and the largest residual.

    Raises:
        ValueError: count is above the dimension.
    """
    n = operator.dimension
    if not 1 <= count <= n:
        raise ValueError(f"eigenvalues={count}: allowed are 1 to {n}, the dimension")
    room = max(2 * count + 2, basis_bytes // (n * like.element_size()))
    state = Basis(operator, min(n, room, max_products + 1), like, seed)
    while True:
        state.step()
        values, residuals, weights = state.ritz()
        order = values.abs().argsort(descending=True)[:count]
        worst = residuals[order].max().item() if len(order) == count else math.inf
        report(state.products, worst)
        if worst <= tolerance or state.exhausted or state.products >= max_products:
            break
        if state.full:
            state.restart(values.abs().argsort(descending=True)[: count + state.capacity // 4])
    return Eigenvalues(
        values=values[order].tolist(),
        residuals=residuals[order].tolist(),
        products=state.products,
        converged=worst <= tolerance,
        vectors=state.vectors(weights[:, order]),
        captured=Captured(state.rows[: state.size], values.sum().item()) if capture else None,
    )


class Basis:
    """An orthonormal basis V (m, n) that grows by products, with V A V^T."""

    def __init__(self, operator: Operator, capacity: int, like: Tensor, seed: int) -> None:
        self.operator, self.capacity = operator, capacity
        n = operator.dimension
        generator = torch.Generator().manual_seed(seed)
        start = torch.randn(n, generator=generator, dtype=torch.float64).to(like)
        self.rows = like.new_empty(capacity, n)
        self.rows[0] = start / start.norm()
        self.projected = torch.zeros(capacity, capacity, dtype=torch.float64)
        self.size, self.products = 0, 0
        self.rest = 0.0
        self.next: Tensor | None = self.rows[0].clone()

    @property
    def exhausted(self) -> bool:
        """Whether the basis spans an invariant subspace: all is known that can be."""
        return self.next is None

    @property
    def full(self) -> bool:
        """Whether there is no room for another direction."""
        return self.size == self.capacity

    def step(self) -> None:
        """Add the next direction to the basis, and multiply it."""
        assert self.next is not None
        j = self.size
        self.rows[j] = self.next
        w = self.operator.product(self.next)
        self.products += 1
        basis = self.rows[: j + 1]
        scale = w.norm().item()
        total = torch.zeros(j + 1, dtype=torch.float64)
        for _ in range(2):  # Twice is enough (Kahan, in Parlett 1998, section 6.9).
            part = basis @ w
            w = w - basis.T @ part
            total += part.double().cpu()
        self.projected[: j + 1, j] = total
        self.projected[j, : j + 1] = total
        self.size += 1
        self.rest = w.norm().item()
        floor = 10 * torch.finfo(w.dtype).eps * scale
        self.next = None if self.rest <= floor or self.size == len(w) else w / self.rest
        if self.next is None:
            self.rest = 0.0

    def ritz(self) -> tuple[Tensor, Tensor, Tensor]:
        """Return Ritz values (m,), relative residuals (m,), and weights (m, m) in columns."""
        values, weights = torch.linalg.eigh(self.projected[: self.size, : self.size])
        sizes = values.abs().clamp(min=torch.finfo(torch.float64).tiny)
        return values, self.rest * weights[-1].abs() / sizes, weights

    def vectors(self, weights: Tensor) -> Tensor:
        """Return combinations of the basis, one a column of `weights`."""
        return weights.T.to(self.rows) @ self.rows[: self.size]

    def restart(self, order: Tensor) -> None:
        """Keep the Ritz vectors `order`; the next direction stays what it is."""
        values, _, weights = self.ritz()
        kept = order[: self.capacity - 1]
        self.rows[: len(kept)] = self.vectors(weights[:, kept])
        self.projected.zero_()
        self.projected[: len(kept), : len(kept)] = values[kept].diag()
        self.size = len(kept)
