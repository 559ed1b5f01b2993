"""How far the kernels of each layer are one pattern repeated along the group, epoch by epoch."""

from __future__ import annotations

import math
from collections.abc import Sequence
from itertools import cycle

from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.lines import Line2D
from matplotlib.ticker import MaxNLocator

from symscape.plots.read.runs import Redundancy
from symscape.plots.style import COLOURS, PAGE_WIDTH, short_name, style, wrap_title

KINDS = {"pair": "pairs of channels", "stacked": "all inputs together"}
LEAST = 0.2
"""Of the axis that is shown at the least: noise is not blown up."""


@style()
def redundancy_by_epoch(rows: Sequence[Redundancy], run: str) -> Figure:
    """Draw a panel a kind, with the mean pattern and without it; dotted: as before training.

    Args:
        rows: of redundancy.csv.
        run: what to call it.
    """
    layers = list(dict.fromkeys(row.layer for row in rows))
    figure = Figure(figsize=(PAGE_WIDTH, 5.1 + 0.18 * (len(layers) // 4)))
    figure.suptitle(
        wrap_title(run)
        + "\nkernels along the group; 1: one pattern at all elements, its weight alone differs"
        "\n(so in a separable kernel by construction)"
    )
    panels = figure.subplots(2, 2, sharex=True, sharey=True)
    colours = dict(zip(layers, cycle(COLOURS), strict=False))
    for line, (kind, words) in zip(panels, KINDS.items(), strict=True):
        for axes, centred in zip(line, (False, True), strict=True):
            chosen = [row for row in rows if (row.kind, row.centred) == (kind, centred)]
            _draw(axes, chosen, colours)
            axes.set_title(words + (", mean taken off" if centred else ""))
            axes.set_ylim(_foot([row.value for row in rows]), 1.02)
        line[0].set_ylabel("share of the leading\npattern, σ₁² / Σσ²")
    for axes in panels[1]:
        axes.set_xlabel("epoch (0: before training)")
        axes.xaxis.set_major_locator(MaxNLocator(nbins=7, integer=True, steps=[1, 2, 5, 10]))
    start = Line2D([], [], color="0.4", ls=":", label="dotted: before training")
    lines = [Line2D([], [], color=c, marker="o", label=short_name(n)) for n, c in colours.items()]
    figure.legend(handles=[*lines, start], loc="outside lower center", ncols=4)
    return figure


def _draw(axes: Axes, rows: Sequence[Redundancy], colours: dict[str, str]) -> None:
    for number, (layer, colour) in enumerate(colours.items()):
        points = sorted((row.epoch, row.value) for row in rows if row.layer == layer)
        if not points:
            continue
        epochs, values = zip(*points, strict=True)
        # Smaller and smaller: of layers with equal values all marks are seen.
        size = max(2.5, 7.5 - 1.2 * number) if len(points) <= 30 else 0.0
        axes.plot(epochs, values, "o-", color=colour, ms=size, clip_on=False)
        if epochs[0] == 0:
            axes.axhline(values[0], color=colour, ls=":", lw=0.9)


def _foot(values: Sequence[float]) -> float:
    """Return where the axis starts: a tenth below all that is finite."""
    least = min((v for v in values if math.isfinite(v)), default=0.0)
    return max(0.0, min(1 - LEAST, math.floor(10 * least) / 10))
