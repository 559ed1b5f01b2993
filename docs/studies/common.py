"""What the scripts of studies share: their arguments, and means with intervals as text."""

from __future__ import annotations

import argparse

from symscape.jobs.summary.means import number
from symscape.landscape.intervals import Interval


def parser(about: str | None) -> argparse.ArgumentParser:
    """Return a parser that knows the study's name and where it lies."""
    made = argparse.ArgumentParser(
        description=about, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    made.add_argument("--study", required=True)
    made.add_argument("--root", default="multirun")
    return made


def cell(mean: Interval | None) -> str:
    """Return a mean and its interval as text."""
    if mean is None:
        return ""
    if mean.low is None or mean.high is None or mean.low == mean.high:
        return number(mean.mean)
    return f"{number(mean.mean)} [{number(mean.low)}, {number(mean.high)}]"
