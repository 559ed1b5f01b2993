"""What a fold costs relative to the direct convolution: a model, so that runs of a seed repeat.

It counts multiplications and elements moved, in units of one multiplication of a direct
convolution. A measurement would be nearer to the machine, but would choose otherwise now and then,
and the ways differ in rounding.
"""

from __future__ import annotations

import math
from typing import NamedTuple

from symscape.layers.geometry import Geometry

WORTH = 0.9
"""The relative time below which a layer folds."""
DIRECT_GRADIENTS = {"dense": 2.25, "strided": 2.75}
"""Both gradients of a direct convolution relative to its forward pass."""


class Rates(NamedTuple):
    """Costs in multiplications of a direct convolution of the same precision."""

    product: float
    """A multiplication in the product of a fold."""
    moved: float
    """An element that a fold writes."""
    run: float
    """A pixel that it writes with a stride: its channels are read as a run of their own."""
    call: float
    """A pass over a batch, forward or one gradient, however small."""


# Fitted to benchmarks/symmetric_conv.py on two cores with AVX512.
RATES = {
    "float32": Rates(1.2, 34.0, 0.0, 6e7),
    "bfloat16": Rates(1.1, 40.0, 800.0, 1e8),
}


def training_cost(
    geometry: Geometry, inputs: int, filters: int, images: int, precision: str
) -> float:
    """Return the estimated training time of a folded layer relative to the direct one.

    NaN where there is no estimate: float64.
    """
    if precision not in RATES:
        return math.nan
    if geometry.stride == 1:
        moved = _moved(inputs, geometry, precision)
        moved += _moved(filters, geometry.reflected(), precision)
    else:
        spread = math.prod(geometry.kernel_size) * math.prod(geometry.out_size)
        spread += math.prod(geometry.size)
        moved = 2 * _moved(inputs, geometry, precision) + _written(inputs, spread, precision)
    folded = 3 * _product(geometry, inputs, filters, images, precision) + moved
    gradients = DIRECT_GRADIENTS["dense" if geometry.stride == 1 else "strided"]
    return folded / ((1 + gradients) * _direct(geometry, inputs, filters))


def forward_cost(
    geometry: Geometry, inputs: int, filters: int, images: int, precision: str
) -> float:
    """Return the estimated time of a folded forward pass relative to the direct one.

    NaN where there is no estimate: float64.
    """
    if precision not in RATES:
        return math.nan
    folded = _product(geometry, inputs, filters, images, precision)
    folded += _moved(inputs, geometry, precision)
    return folded / _direct(geometry, inputs, filters)


def _direct(geometry: Geometry, inputs: int, filters: int) -> float:
    """Return the multiplications of an image: a direct convolution leaves those with zeros out."""
    return float(geometry.inside * inputs * filters)


def _product(geometry: Geometry, inputs: int, filters: int, images: int, precision: str) -> float:
    """Return the cost of an image's product: training takes three."""
    rates = RATES[precision]
    products = geometry.orbits * math.prod(geometry.out_size) * inputs * filters
    return rates.product * products + rates.call / images


def _moved(channels: int, geometry: Geometry, precision: str) -> float:
    if geometry.stride > 1:
        return _written(channels, geometry.work, precision)
    return RATES[precision].moved * channels * geometry.work


def _written(channels: int, pixels: int, precision: str) -> float:
    rates = RATES[precision]
    return pixels * (rates.moved * channels + rates.run)
