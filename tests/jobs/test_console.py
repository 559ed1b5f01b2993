"""How numbers are said."""

import math

import pytest

from symscape.jobs.console import percent


@pytest.mark.parametrize(
    ("share", "said"),
    [
        (0.0, "0.0%"),
        (0.123, "12.3%"),
        (0.0005, "0.1%"),
        (0.00049, "0.05%"),
        (0.00003, "0.003%"),
        (0.00001, "0.001%"),
        (1e-7, "<0.001%"),
        (math.nan, "nan%"),
    ],
)
def test_a_small_share_is_no_zero(share, said):
    assert percent(share) == said
