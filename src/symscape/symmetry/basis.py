"""Matrices of an orbit partition of n = kh * kw taps into d orbits."""

from __future__ import annotations

import torch
from torch import Tensor


def orbit_indicators(labels: Tensor) -> Tensor:
    """Return B (n, d) in float64: B[t, o] = 1 where tap t lies in orbit o."""
    return torch.nn.functional.one_hot(labels).double()


def orthonormal_basis(labels: Tensor) -> Tensor:
    """Return U (n, d) in float64: the indicators with normalised columns, so U^T U = I."""
    indicators = orbit_indicators(labels)
    return indicators / indicators.sum(0).sqrt()


def projector(labels: Tensor) -> Tensor:
    """Return P = U U^T (n, n) in float64: the average over each orbit (over the group)."""
    basis = orthonormal_basis(labels)
    return basis @ basis.T
