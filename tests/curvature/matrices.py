"""Operators whose spectra are known."""

import torch
from torch import Tensor

LIKE = torch.zeros((), dtype=torch.float64)


class Matrix:
    """A dense symmetric matrix that counts its products."""

    def __init__(self, dense: Tensor) -> None:
        self.dense, self.dimension, self.count = dense, len(dense), 0

    def product(self, vector: Tensor) -> Tensor:
        self.count += 1
        return self.dense @ vector


def with_spectrum(values: Tensor, seed: int = 0) -> Matrix:
    generator = torch.Generator().manual_seed(seed)
    n = len(values)
    basis = torch.linalg.qr(torch.randn(n, n, generator=generator, dtype=torch.float64))[0]
    return Matrix(basis @ values.double().diag() @ basis.T)
