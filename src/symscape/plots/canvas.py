"""A page measured in inches, on which kernels are placed as small signed images."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from matplotlib import colormaps
from matplotlib.axes import Axes
from matplotlib.cm import ScalarMappable
from matplotlib.colors import ListedColormap, Normalize
from matplotlib.figure import Figure
from matplotlib.patches import Rectangle
from numpy.typing import NDArray

from symscape.plots.style import PAGE_WIDTH

# Red and blue stay apart under colour blindness; white is zero, grey a value that is not finite.
# The ends of the map are cut: both are nearly black, and every kernel reaches one of them.
SIGNED = ListedColormap(colormaps["RdBu_r"](np.linspace(0.07, 0.93, 255))).with_extremes(bad="0.6")

MINUS = "\N{MINUS SIGN}"  # as wide as a digit, unlike the hyphen

LINE = 0.13  # inches: one line of the smallest text
TITLE_LINE = 0.16
BAR_HEIGHT = 0.62  # inches at the foot of the page, colour bar with its labels


@dataclass(frozen=True)
class Box:
    """A rectangle on the page, in inches; `left` and `top` count from the page's top left."""

    left: float
    top: float
    width: float
    height: float


def page(height: float, title: str) -> tuple[Figure, Axes]:
    """Return a figure of page width whose one axes has inches as units, y pointing down.

    Hundreds of kernels fit one axes; an axes for each would take the layout engine minutes.
    """
    # No layout engine from the start: one that is taken away later still has all drawn twice.
    figure = Figure(figsize=(PAGE_WIDTH, height), layout="none")  # type: ignore[arg-type]
    axes = figure.add_axes((0.0, 0.0, 1.0, 1.0))
    axes.set_xlim(0.0, PAGE_WIDTH)
    axes.set_ylim(height, 0.0)
    axes.axis("off")
    figure.text(0.5, 1.0 - 0.06 / height, title, ha="center", va="top", fontsize=9.0)
    return figure, axes


def title_height(title: str) -> float:
    """Return the inches that a title takes at the head of the page."""
    return 0.12 + TITLE_LINE * (1 + title.count("\n"))


def largest(values: NDArray[np.floating]) -> float:
    """Return the largest finite |value|; 0.0 where there is none."""
    return float(np.max(np.abs(values), where=np.isfinite(values), initial=0.0))


def draw_kernel(axes: Axes, kernel: NDArray[np.floating], box: Box, limit: float) -> None:
    """Draw a (kh, kw) kernel as large as `box` allows with square taps.

    The colours run from -limit to limit. A kernel of zeros has `limit` 0 and is drawn white.
    """
    rows, columns = kernel.shape
    tap = min(box.width / columns, box.height / rows)
    left = box.left + (box.width - tap * columns) / 2
    top = box.top + (box.height - tap * rows) / 2
    right, bottom = left + tap * columns, top + tap * rows
    axes.imshow(
        np.ma.masked_invalid(kernel),
        cmap=SIGNED,
        norm=Normalize(-(limit or 1.0), limit or 1.0),
        extent=(left, right, bottom, top),
        aspect="auto",
        interpolation="none",
    )
    frame = Rectangle((left, top), right - left, bottom - top, fill=False, ec="0.35", lw=0.4)
    axes.add_patch(frame)


def colour_bar(figure: Figure, label: str) -> None:
    """Draw the scale from -1 to 1 at the foot of the page; `label` says what 1 stands for."""
    height = figure.get_figheight()
    axes = figure.add_axes((0.25, 0.42 / height, 0.5, 0.1 / height))
    scale = ScalarMappable(Normalize(-1.0, 1.0), SIGNED)
    bar = figure.colorbar(scale, cax=axes, orientation="horizontal")
    bar.set_ticks([-1.0, -0.5, 0.0, 0.5, 1.0], labels=[f"{MINUS}1", f"{MINUS}0.5", "0", "0.5", "1"])
    bar.set_label(label)
    bar.outline.set_linewidth(0.4)
