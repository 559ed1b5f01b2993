"""What a fold costs relative to the direct convolution: a model, so that runs of a seed repeat.

It counts multiplications and elements moved, in units of one multiplication of a direct
convolution. A measurement would be nearer to the machine, but would choose otherwise now and then,
and the ways differ in rounding.
"""

from __future__ import annotations

import math
from dataclasses import dataclass, replace
from functools import lru_cache

from symscape.layers.folding.geometry import Geometry
from symscape.layers.folding.processor import processor

WORTH = 0.9
"""The relative time below which a layer folds."""


@dataclass(frozen=True)
class Rates:
    """Costs in multiplications of a direct convolution of the same precision."""

    product: float
    """A multiplication in the product of a fold."""
    moved: float
    """An element that a fold reads or writes."""
    call: float
    """A pass of a fold over a batch, forward or one gradient, however small."""
    dense: float
    """Both gradients of a direct convolution relative to its forward pass, stride 1."""
    strided: float
    """The same with a stride."""
    element: float = 0.0
    """An element that a direct convolution reads or writes."""
    weight: float = 0.0
    """A weight of a direct convolution, once a batch: it is brought into another order."""
    caution: float = 1.0
    """What estimates are multiplied by, for how far they may be off."""


# By kind of CPU (`processor`) and precision. All are least squares over what
# benchmarks/symmetric_conv.py took on two cores, batch 128.
# avx512_bf16: an AMD; over fold / direct below 1.3, which they reproduce to 7 % (float32) and 12 %
# (bfloat16), root mean square.
# amx_bf16: an Intel Xeon, one round; of logarithms, over fold / direct below 2.5, to 10 % and 18 %.
# Without `element` and `weight` it would be 15 % and 35 %: products are so fast there that what a
# direct convolution moves counts. Caution leaves out what was not faster in that one round.
RATES = {
    ("avx512_bf16", "float32"): Rates(1.14, 9.8, 1.4e7, 2.16, 2.26),
    ("avx512_bf16", "bfloat16"): Rates(1.08, 11.0, 4e7, 2.25, 3.06),
    ("amx_bf16", "float32"): Rates(1.18, 24.4, 9.5e7, 2.15, 2.69, 14.3, 985.0),
    ("amx_bf16", "bfloat16"): Rates(3.57, 129.0, 6.9e8, 3.12, 3.04, 190.0, 1.02e4, caution=1.25),
}
# A kind that nobody has measured: it folds where an estimate is half of what would do elsewhere.
UNKNOWN = 2.0
# The batch from which rates were fitted; how weights weigh in smaller ones was not measured.
FITTED = 128


def _rates(precision: str, kind: str) -> Rates | None:
    """Return the rates of a kind of CPU; None where there are none for a precision: float64."""
    known = RATES.get((kind, precision))
    if known is None and ("avx512_bf16", precision) in RATES:
        return replace(RATES["avx512_bf16", precision], caution=UNKNOWN)
    return known


def training_cost(
    geometry: Geometry, inputs: int, filters: int, images: int, precision: str, kind: str = ""
) -> float:
    """Return the estimated training time of a folded layer relative to the direct one.

    NaN where there is no estimate: float64. `kind` is a kind of CPU, this one unless it is given.
    """
    rates = _rates(precision, kind or processor())
    if rates is None:
        return math.nan
    if geometry.stride == 1:
        gradients = rates.dense
        moved = geometry.work * inputs + geometry.reflected().work * filters
    else:
        gradients = rates.strided
        spread = geometry.work + math.prod(geometry.size)
        moved = (2 * geometry.work + spread) * inputs
    folded = 3 * _product(geometry, inputs, filters, images, rates) + rates.moved * moved
    direct = (1 + gradients) * _direct(geometry, inputs, filters, images, rates)
    return rates.caution * folded / direct


def forward_cost(
    geometry: Geometry, inputs: int, filters: int, images: int, precision: str, kind: str = ""
) -> float:
    """Return the estimated time of a folded forward pass relative to the direct one.

    NaN where there is no estimate: float64. `kind` as in `training_cost`.
    """
    return _forward_cost(geometry, inputs, filters, images, precision, kind or processor())


@lru_cache(maxsize=1024)  # Evaluation asks for every batch.
def _forward_cost(
    geometry: Geometry, inputs: int, filters: int, images: int, precision: str, kind: str
) -> float:
    rates = _rates(precision, kind)
    if rates is None:
        return math.nan
    folded = _product(geometry, inputs, filters, images, rates)
    folded += rates.moved * geometry.work * inputs
    return rates.caution * folded / _direct(geometry, inputs, filters, images, rates)


def _direct(geometry: Geometry, inputs: int, filters: int, images: int, rates: Rates) -> float:
    """Return the cost of an image: a direct convolution leaves multiplications with zeros out."""
    multiplications = float(geometry.inside * inputs * filters)
    elements = math.prod(geometry.size) * inputs + math.prod(geometry.out_size) * filters
    weights = math.prod(geometry.kernel_size) * inputs * filters / max(images, FITTED)
    return multiplications + rates.element * elements + rates.weight * weights


def _product(geometry: Geometry, inputs: int, filters: int, images: int, rates: Rates) -> float:
    """Return the cost of an image's product: training takes three."""
    products = geometry.orbits * math.prod(geometry.out_size) * inputs * filters
    return rates.product * products + rates.call / images
