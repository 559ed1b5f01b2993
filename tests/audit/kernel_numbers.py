"""Kernels at random, and the numbers of what is measured of them."""

import math

import pytest
import torch
from hypothesis import strategies as st
from torch import Tensor

from symscape.audit.kernels import (
    Convolution,
    KernelMeasure,
    measure_kernels,
)

SIZES = [(3, 3), (2, 2), (5, 5), (3, 5), (1, 7), (4, 1)]
TWINLESS = {"twin", "twin_p"}
OF_K = {"score", "p", "moved", "energies", "skew_rows", "skew_columns", *TWINLESS}
OF_FILTERS = {"strength", "strength_p", "single", "folded"}
seeds = st.integers(0, 10_000)
shapes = st.tuples(
    st.integers(1, 6), st.integers(1, 4), st.integers(1, 5), st.integers(1, 5)
).filter(lambda shape: shape[2] * shape[3] > 2)


def draw(seed: int, *shape: int) -> Tensor:
    return torch.randn(shape, generator=torch.Generator().manual_seed(seed), dtype=torch.float64)


def measure(kernel: Tensor, scale: Tensor | None = None) -> KernelMeasure:
    [found] = measure_kernels([Convolution("conv", kernel, (1, 1), scale)])
    return found


def numbers(found: KernelMeasure) -> dict[str, float]:
    """All that was measured, by name; dicts taken apart."""
    flat: dict[str, float] = {}
    for name in sorted(OF_K | OF_FILTERS):
        value = getattr(found, name)
        if isinstance(value, dict):
            flat |= {f"{name}/{key}": v for key, v in value.items()}
        else:
            flat[name] = value
    return flat


def missing(found: KernelMeasure) -> set[str]:
    """The fields that are NaN, a dict's where every value is."""
    values = {n: getattr(found, n) for n in OF_K | OF_FILTERS}
    each = {n: list(v.values()) if isinstance(v, dict) else [v] for n, v in values.items()}
    return {name for name, all_of in each.items() if all(math.isnan(v) for v in all_of)}


def same(a: KernelMeasure, b: KernelMeasure, tolerance: float = 1e-9) -> None:
    assert numbers(a) == pytest.approx(numbers(b), abs=tolerance, nan_ok=True)
