"""What eigenvalues and traces need of a matrix."""

from __future__ import annotations

from typing import Protocol

from torch import Tensor


class Operator(Protocol):
    """A symmetric matrix that is known by its products."""

    dimension: int

    def product(self, vector: Tensor) -> Tensor:
        """Return the product with a vector (dimension,)."""
        ...
