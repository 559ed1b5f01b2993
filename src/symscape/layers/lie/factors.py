"""Of which factors a group kernel is the product: a table.

A kernel is a function of the position u and of the relative group element: its angle (with its
reflection) and its scale. A factor depends on some of these, and on the output channel o alone
(`o`) or on the pair of output and input channel (`oi`).
"""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True)
class Factor:
    """A function that a SIREN computes; of nothing at all: a number a channel or pair."""

    group: str = ""
    """Of the relative element: `angle`, `scale`, `both`, or nothing."""
    space: bool = False
    """Whether of the position too."""
    pairs: bool = False
    """Whether it has values for each pair of channels (`oi`)."""


KERNELS: dict[str, tuple[Factor, ...]] = {
    "nonseparable": (Factor("both", space=True, pairs=True),),
    "separable": (Factor("both", pairs=True), Factor(space=True)),
    "gseparable": (Factor("both", pairs=True), Factor(space=True, pairs=True)),
    "dseparable": (Factor(pairs=True), Factor("both", space=True)),
    "dgseparable": (Factor(pairs=True), Factor("both"), Factor(space=True)),
    "separable+2d": (Factor("angle", pairs=True), Factor("scale"), Factor(space=True)),
    "gseparable+2d": (
        Factor("angle", pairs=True),
        Factor("scale", pairs=True),
        Factor(space=True, pairs=True),
    ),
    "pixels": (),
}
"""Knigge et al. 2022, section 4; `pixels` has free taps in place of functions."""
LIFTING = (Factor(space=True, pairs=True),)
"""What maps an image to a function on the group, whatever comes behind."""


def multiplications(kernel: str, inputs: int, outputs: int, size: int, taps: int) -> int:
    """Return the multiplications an output pixel that a kernel needs, factor after factor.

    Args:
        kernel: one of KERNELS.
        inputs: I, input channels.
        outputs: O, output channels.
        size: N, elements of the grid.
        taps: k * k.
    """
    wide = outputs * size
    return {
        "separable": wide * inputs * size + wide * taps,
        "separable+2d": wide * inputs * size + wide * taps,
        "dseparable": size * inputs * outputs + wide * size * taps,
        "dgseparable": size * inputs * outputs + wide * size + wide * taps,
    }.get(kernel, wide * inputs * size * taps)
