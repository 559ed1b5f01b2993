"""How every figure looks, and how it reaches the disk."""

from __future__ import annotations

import math
import os
import textwrap
from collections.abc import Iterator, Sequence
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import Any

import matplotlib.style
from matplotlib.figure import Figure

from symscape.errors import SymscapeError
from symscape.stopping import safe_point

# Okabe and Ito (2008), Color Universal Design: told apart under every common colour blindness.
BLUE = "#0072B2"
ORANGE = "#E69F00"
GREEN = "#009E73"
VERMILLION = "#D55E00"
PURPLE = "#CC79A7"
GREY = "#7F7F7F"
COLOURS = (BLUE, VERMILLION, GREEN, PURPLE, ORANGE, GREY)
"""In the order in which lines take them."""

PAGE_WIDTH = 7.2  # inches: the text width of a two-column page
DPI = 200
SMALL = 7.0  # points: the smallest text of any figure

_RC: dict[str, Any] = {
    "font.size": 8.0,
    "axes.titlesize": 9.0,
    "axes.labelsize": 8.0,
    "figure.titlesize": 9.0,
    "legend.fontsize": 8.0,
    "xtick.labelsize": 8.0,
    "ytick.labelsize": 8.0,
    "axes.linewidth": 0.6,
    "axes.spines.top": False,
    "axes.spines.right": False,
    "axes.grid": True,
    "axes.axisbelow": True,
    "grid.color": "0.9",
    "grid.linewidth": 0.5,
    "xtick.major.width": 0.6,
    "ytick.major.width": 0.6,
    "lines.linewidth": 1.2,
    "lines.markersize": 3.5,
    "legend.frameon": False,
    "figure.constrained_layout.use": True,
    "figure.constrained_layout.w_pad": 0.08,
    "pdf.fonttype": 42,  # TrueType: text stays text when a journal edits the figure
    "svg.fonttype": "none",
}


@contextmanager
def style() -> Iterator[None]:
    """Set the look of every figure, whatever the user's own matplotlibrc says; undone on exit.

    It also serves as a decorator: `@style()`.
    """
    with matplotlib.style.context(_RC, after_reset=True):
        yield


def wrap_title(title: str, width: int = 96) -> str:
    """Break a long title, at spaces or hyphens, into lines that fit the page width."""
    return textwrap.fill(title, width)


def short_name(name: str, limit: int = 26) -> str:
    """Return a layer's name, its head left out where it is longer than `limit` characters.

    The tail tells layers apart: their names begin alike.

    >>> short_name("features.denseblock1.denselayer12.conv2", 19)
    '…denselayer12.conv2'
    """
    return name if len(name) <= limit else f"…{name[1 - limit :]}"


def columns(labels: Sequence[str], most: int = 4) -> int:
    """Return how many labels of a legend fit side by side."""
    widest = 0.5 + 0.075 * max(map(len, labels))  # inches, with its patch, at the legend's size
    return max(1, min(most, int(PAGE_WIDTH / widest)))


@style()
def save(figure: Figure, path: Path, *, pdf: bool = False) -> list[Path]:
    """Write `figure` as PNG at 200 dpi to `path`, and with `pdf` as PDF beside it.

    A file appears whole or not at all, and the same figure gives the same bytes.

    Returns:
        The paths written.

    Raises:
        SymscapeError: `path` does not end in .png, or cannot be written.
    """
    safe_point()
    if path.suffix != ".png":
        raise SymscapeError(f"{path}: the name of a picture must end in .png")
    _write(figure, path, {"Software": None})
    if not pdf:
        return [path]
    _write(figure, path.with_suffix(".pdf"), {"CreationDate": None})
    return [path, path.with_suffix(".pdf")]


def _write(figure: Figure, path: Path, metadata: dict[str, Any]) -> None:
    unfinished = path.with_name(f".{path.name}.{os.getpid()}.tmp")
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        figure.savefig(unfinished, dpi=DPI, format=path.suffix[1:], metadata=metadata)
        unfinished.replace(path)
    except OSError as error:
        raise SymscapeError(f"{path}: cannot be written ({error.strerror or error})") from error
    finally:
        with suppress(OSError):
            unfinished.unlink()


def axis_range(values: Sequence[float], ends: Sequence[float]) -> list[float] | None:
    """Return the range of an axis: all values, and of wide intervals no more than as much again."""
    inside = [v for v in values if math.isfinite(v)]
    if not inside:
        return None
    low, high = min(inside), max(inside)
    room = (high - low) or abs(high) or 1.0
    known = [v for v in ends if math.isfinite(v)]
    low = max(min([low, *known]), low - room)
    high = min(max([high, *known]), high + room)
    return [low - 0.04 * (high - low), high + 0.04 * (high - low)]
