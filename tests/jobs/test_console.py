"""How numbers are said, and how wide tables are."""

import math
import os
import subprocess
import sys

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


@pytest.mark.parametrize(("columns", "width"), [(None, 120), ("70", 70)])
def test_tables_in_a_file_are_as_wide_as_columns_says(columns, width):
    """A terminal's width is its own; a file has none, and 80 columns would cut names off."""
    said = {} if columns is None else {"COLUMNS": columns}
    others = {name: value for name, value in os.environ.items() if name != "COLUMNS"}
    asked = "from symscape.jobs.console import console; print(console.width)"
    answer = subprocess.check_output([sys.executable, "-c", asked], env=others | said, text=True)
    assert int(answer) == width
