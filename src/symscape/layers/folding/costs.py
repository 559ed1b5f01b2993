"""What a fold costs relative to the direct convolution: a model, so that runs of a seed repeat.

It counts multiplications and elements moved, in units of one multiplication of a direct
convolution. A measurement would be nearer to the machine, but would choose otherwise now and then,
and the ways differ in rounding.
"""

from __future__ import annotations

import math
from functools import lru_cache
from typing import NamedTuple

from symscape.layers.folding.geometry import Geometry

WORTH = 0.9
"""The relative time below which a layer folds."""


class Rates(NamedTuple):
    """Costs in multiplications of a direct convolution of the same precision."""

    product: float
    """A multiplication in the product of a fold."""
    moved: float
    """An element that a fold reads or writes."""
    call: float
    """A pass over a batch, forward or one gradient, however small."""
    dense: float
    """Both gradients of a direct convolution relative to its forward pass, stride 1."""
    strided: float
    """The same with a stride."""


# Least squares over benchmarks/symmetric_conv.py on two cores with AVX512, where fold / direct was
# below 1.3: they reproduce it to 7 % (float32) and 12 % (bfloat16), root mean square.
RATES = {
    "float32": Rates(1.14, 9.8, 1.4e7, 2.16, 2.26),
    "bfloat16": Rates(1.08, 11.0, 4e7, 2.25, 3.06),
}


def training_cost(
    geometry: Geometry, inputs: int, filters: int, images: int, precision: str
) -> float:
    """Return the estimated training time of a folded layer relative to the direct one.

    NaN where there is no estimate: float64.
    """
    if precision not in RATES:
        return math.nan
    rates = RATES[precision]
    if geometry.stride == 1:
        gradients = rates.dense
        moved = geometry.work * inputs + geometry.reflected().work * filters
    else:
        gradients = rates.strided
        spread = geometry.work + math.prod(geometry.size)
        moved = (2 * geometry.work + spread) * inputs
    folded = 3 * _product(geometry, inputs, filters, images, rates) + rates.moved * moved
    return folded / ((1 + gradients) * _direct(geometry, inputs, filters))


@lru_cache(maxsize=1024)  # Evaluation asks for every batch.
def forward_cost(
    geometry: Geometry, inputs: int, filters: int, images: int, precision: str
) -> float:
    """Return the estimated time of a folded forward pass relative to the direct one.

    NaN where there is no estimate: float64.
    """
    if precision not in RATES:
        return math.nan
    rates = RATES[precision]
    folded = _product(geometry, inputs, filters, images, rates)
    folded += rates.moved * geometry.work * inputs
    return folded / _direct(geometry, inputs, filters)


def _direct(geometry: Geometry, inputs: int, filters: int) -> float:
    """Return the multiplications of an image: a direct convolution leaves those with zeros out."""
    return float(geometry.inside * inputs * filters)


def _product(geometry: Geometry, inputs: int, filters: int, images: int, rates: Rates) -> float:
    """Return the cost of an image's product: training takes three."""
    products = geometry.orbits * math.prod(geometry.out_size) * inputs * filters
    return rates.product * products + rates.call / images
