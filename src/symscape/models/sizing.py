"""The width of a network that has about as many free parameters as asked for."""

from __future__ import annotations

from dataclasses import replace
from fractions import Fraction
from functools import partial
from typing import Any

from symscape.config.network.model import ModelConfig
from symscape.config.train import TrainConfig
from symscape.models.build import build_network, free_parameters

LARGEST = 4096
"""Channels of the first stage beyond which a number of parameters is taken for a mistake."""


def count_at(config: TrainConfig, width: int | None, symmetry: str, shapes: dict[str, Any]) -> int:
    """Return the number of free parameters, orbits counted rather than taps.

    Args:
        config: of the network.
        width: of its first stage; None: the family's standard.
        symmetry: of its kernels, in place of the config's.
        shapes: in_channels, classes and image, as `build_network` takes them.
    """
    model = replace(config.model, width=width, parameters=None, like=None)
    kernels = replace(config.symmetry, name=symmetry)
    if kernels.parametrization == "projected":  # What is stored and projected away is not free.
        kernels = replace(kernels, parametrization="tied")
    network = build_network(
        model, kernels, **shapes, seed=0, group=config.group, kernel=config.kernel
    )
    return free_parameters(network)


def with_width(config: TrainConfig, shapes: dict[str, Any]) -> tuple[TrainConfig, int, int]:
    """Return a config with a number in place of `model.width=auto`, what it has, and what it asked.

    Convolutions have parameters in the square of the width, norms and the head in the width: three
    small networks tell all others, and the one that is found is counted.

    Raises:
        ValueError: no width has about so many parameters.
    """
    model = config.model
    count = partial(count_at, config, symmetry=config.symmetry.name, shapes=shapes)
    wanted = model.parameters
    if wanted is None:
        assert model.like is not None  # ModelConfig saw to it
        wanted = count_at(config, None, model.like, shapes)
    width = nearest(wanted, (count(width=2), count(width=3), count(width=4)))
    settled: ModelConfig = replace(model, width=width, parameters=None, like=None)
    return replace(config, model=settled), count(width=width), wanted


def nearest(wanted: int, counts: tuple[int, int, int]) -> int:
    """Return the width at which a quadratic comes nearest to a number; the smaller of two.

    Args:
        wanted: the number.
        counts: the quadratic's values at 2, 3 and 4.

    Raises:
        ValueError: it is far from that of any width: below half of width 1's, or above `LARGEST`'s.
    """
    at2, at3, at4 = counts
    square = Fraction(at4 - 2 * at3 + at2, 2)
    slope = at3 - at2 - 5 * square
    rest = at2 - 4 * square - 2 * slope

    def value(width: int) -> Fraction:
        return square * width**2 + slope * width + rest

    if 2 * wanted < value(1) or wanted > value(LARGEST):
        raise ValueError(f"widths 1 to {LARGEST} have {value(1)} to {value(LARGEST)}")
    low, high = 1, LARGEST
    while high - low > 1:
        middle = (low + high) // 2
        low, high = (middle, high) if value(middle) <= wanted else (low, middle)
    return min((low, high), key=lambda width: (abs(value(width) - wanted), width))
