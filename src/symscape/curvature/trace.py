"""The trace of a symmetric operator from few products, with its standard error."""

from __future__ import annotations

import math
from collections.abc import Callable
from dataclasses import dataclass

import torch
from torch import Tensor

from symscape.curvature.lanczos import Captured
from symscape.curvature.operator import Operator

OTHER_STREAM = 500_000_003
"""Between the seeds of a start vector and of test vectors; generators keep 32 bits of a seed."""


@dataclass(frozen=True)
class Trace:
    """An unbiased estimate and its standard error."""

    value: float
    standard_error: float
    products: int


class _Counted:
    """An operator's products, counted; `report` hears of each when it is made."""

    def __init__(self, operator: Operator, report: Callable[[int], None]) -> None:
        self.operator, self.report, self.done = operator, report, 0

    def __call__(self, vector: Tensor) -> Tensor:
        product = self.operator.product(vector)
        self.done += 1
        self.report(self.done)
        return product


def hutchinson(operator: Operator, products: int, *, like: Tensor, seed: int = 0) -> Trace:
    """Return the mean of z^T A z over random signs z.

    Its variance is 2 ||offdiag A||_F^2 / products: what `hutch_plus_plus` is held against.
    """
    generator = torch.Generator().manual_seed(seed)
    samples = []
    for _ in range(products):
        z = _signs(operator.dimension, generator).to(like)
        samples.append((z @ operator.product(z)).item())
    return _mean(torch.tensor(samples, dtype=torch.float64), products)


def _signs(count: int, generator: torch.Generator) -> Tensor:
    return 2.0 * torch.randint(2, (count,), generator=generator) - 1.0


def _mean(samples: Tensor, products: int) -> Trace:
    error = samples.std().item() / math.sqrt(len(samples)) if len(samples) > 1 else math.inf
    return Trace(samples.mean().item(), error, products)


def hutch_plus_plus(
    operator: Operator,
    products: int,
    *,
    like: Tensor,
    seed: int = 0,
    report: Callable[[int], None] = lambda _products: None,
) -> Trace:
    """Return the trace by Hutch++ (Meyer, Musco, Musco and Woodruff 2021, algorithm 1).

    A third of the products finds a basis Q of the largest directions, a third gives tr(Q^T A Q)
    exactly, and a third estimates the rest by Hutchinson. The basis is drawn apart from the last
    third, whose samples are therefore independent: their standard error means what it says.

    Memory: two thirds of `products` vectors.

    Args:
        operator: symmetric, of dimension n.
        products: at least 6; from 3 n on the trace is exact.
        like: a tensor of the type and on the device of the vectors.
        seed: of the test vectors.
        report: called after every product with their number.
    """
    n, third = operator.dimension, products // 3
    generator = torch.Generator().manual_seed(seed)
    times = _Counted(operator, report)
    sketch = torch.stack(
        [times(_signs(n, generator).to(like)) for _ in range(min(third, n))], dim=1
    )
    basis = torch.linalg.qr(sketch)[0]
    columns = [basis[:, i].contiguous() for i in range(basis.shape[1])]
    captured = sum((column @ times(column)).item() for column in columns)
    if len(columns) == n:
        return Trace(captured, 0.0, times.done)
    rest = _rest(times, basis.T, products - 2 * third, generator)
    return Trace(captured + rest.value, rest.standard_error, times.done)


def _rest(
    times: Callable[[Tensor], Tensor], basis: Tensor, products: int, generator: torch.Generator
) -> Trace:
    """Return the trace outside a basis (m, n) by Hutchinson."""
    samples = []
    for _ in range(products):
        z = _signs(basis.shape[1], generator).to(basis)
        z = z - basis.T @ (basis @ z)
        samples.append((z @ times(z)).item())
    return _mean(torch.tensor(samples, dtype=torch.float64), products)


def deflated_trace(
    operator: Operator,
    products: int,
    captured: Captured,
    *,
    seed: int = 0,
    report: Callable[[int], None] = lambda _products: None,
) -> Trace:
    """Return the trace where products of an earlier use say what it is within a subspace.

    As in Hutch++, with the basis of Lanczos in place of its own (Chen and Hallman 2023,
    Krylov-aware stochastic trace estimation): no product is made twice. The basis depends on the
    start vector and the operator alone, so the samples of the rest are independent: the estimate
    is unbiased and its standard error means what it says.

    Args:
        operator: symmetric, of dimension n.
        products: of the rest: at least 2.
        captured: the trace within a subspace.
        seed: of the test vectors, drawn apart from start vectors of the same seed.
        report: called after every product with their number.
    """
    if len(captured.basis) == operator.dimension:
        return Trace(captured.trace, 0.0, 0)
    times = _Counted(operator, report)
    # Another stream than the start vector's: a sample along it would not be independent.
    generator = torch.Generator().manual_seed(seed + OTHER_STREAM)
    rest = _rest(times, captured.basis, products, generator)
    return Trace(captured.trace + rest.value, rest.standard_error, times.done)
