"""A claim that runs can prove wrong, what was found, and what an interval over runs says of it."""

from __future__ import annotations

import math
from dataclasses import dataclass

from symscape.audit.correlation import verdict
from symscape.landscape.intervals import Interval
from symscape.runs.tables import Row

NO_SPREAD = "no spread among runs"


@dataclass(frozen=True)
class Claim:
    """A claim, what was found, and what that says of it."""

    text: str
    quantity: str
    value: float
    low: float
    high: float
    n: int
    verdict: str
    note: str = ""

    def as_row(self) -> Row:
        """Return it as a row of a table; empty where there is no number."""
        return {k: "" if v != v else v for k, v in vars(self).items()}


def decided(
    text: str, quantity: str, found: Interval, *, above: float = 0.0, falling: bool = False
) -> Claim:
    """Return the claim that a number lies above a value, or with `falling` below it, decided.

    Undecided too where there is no interval, or where all runs give the same number: they say
    nothing of their spread.
    """
    low, high = (math.nan if v is None else v for v in (found.low, found.high))
    same = found.n > 1 and low == high
    asked = (-high, -low, -above) if falling else (low, high, above)
    said = "undecided" if same else verdict(*asked[:2], above=asked[2])
    return Claim(text, quantity, found.mean, low, high, found.n, said, NO_SPREAD if same else "")
