"""The curves between two kinds of runs, a panel for each two."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
from matplotlib.axes import Axes
from matplotlib.figure import Figure

from symscape.plots.read.barriers import CurvePoint
from symscape.plots.style import COLOURS, PAGE_WIDTH, SMALL, style, wrap_title

MOST_KINDS = 6
"""Up to so many kinds of runs, the curves of all pairs of kinds fit a page as a triangle."""
MOST_PANELS = 24
MOST_LETTERS = 100
"""Of two kinds' names in a row of panels, beside what each panel adds."""


@style()
def curves(
    points: Sequence[CurvePoint], metric: str, title: str, thin: Sequence[CurvePoint] = ()
) -> Figure:
    """Draw the mean curve of every pair of kinds with its 95 % band over seed pairs.

    Args:
        points: of any metric.
        metric: `loss` or `error`; an error is drawn as accuracy.
        title: of the figure.
        thin: of other curves of the same pairs, to compare with; drawn thin, without bands.
    """
    drawn = [p for p in points if p.metric == metric]
    cells = list(dict.fromkeys((p.a, p.b) for p in drawn))
    figure, places, left_out = panels_of(cells)
    title += left_out
    for axes in places.values():
        axes.set_xticks([0.0, 0.5, 1.0], labels=["0", "½", "1"])
    figure.suptitle(wrap_title(title))
    splits = list(dict.fromkeys(p.split for p in drawn))
    for cell, axes in places.items():
        own = [p for p in drawn if (p.a, p.b) == cell]
        beside = [p for p in thin if (p.a, p.b) == cell and p.metric == metric]
        for split, colour in zip(splits, COLOURS, strict=False):
            _draw_curve(axes, [p for p in own if p.split == split], split, colour)
            _draw_thin(axes, [p for p in beside if p.split == split], colour)
        # In the title: inside, some curve would run through it.
        axes.set_title(f"{axes.get_title()}, n={own[0].count}", fontsize=SMALL)
    first = next(iter(places.values()))
    handles, labels = first.get_legend_handles_labels()
    what = "kind" if any(p.count > 1 for p in drawn) else "network"
    ends = f"alpha: 0 is the first {what}, 1 the second"
    figure.legend(handles, labels, loc="outside lower center", ncols=len(splits), title=ends)
    figure.supylabel("loss (nats)" if metric == "loss" else "accuracy (%)", fontsize=8.0)
    return figure


def panels_of(
    cells: list[tuple[str, str]],
) -> tuple[Figure, dict[tuple[str, str], Axes], str]:
    """Return a panel for every pair of kinds, and what a title must say of those left out."""
    kinds = list(dict.fromkeys(label for cell in cells for label in cell))
    if 1 < len(kinds) <= MOST_KINDS and len(cells) > 2:
        return *_triangle(kinds, cells), ""
    left_out = f" (the first {MOST_PANELS} of {len(cells)} pairs of kinds)"
    return *_panels(cells[:MOST_PANELS]), left_out if len(cells) > MOST_PANELS else ""


def _triangle(
    kinds: list[str], cells: list[tuple[str, str]]
) -> tuple[Figure, dict[tuple[str, str], Axes]]:
    """Return axes for every cell in the upper triangle of a grid of kinds."""
    count = len(kinds)
    figure = Figure(figsize=(PAGE_WIDTH, 1.2 * count + 0.9))
    grid = figure.subplots(count, count, sharex=True, sharey=True, squeeze=False)
    places = {}
    for row, a in enumerate(kinds):
        for column, b in enumerate(kinds):
            cell = (a, b) if (a, b) in cells else (b, a)
            if column < row or cell not in cells:
                grid[row, column].remove()
                continue
            axes = places[cell] = grid[row, column]
            axes.set_title(_between(*cell, count) if a != b else a, fontsize=SMALL)
            axes.tick_params(labelleft=column == row, labelbottom=column == row)
    return figure, places


def _panels(cells: list[tuple[str, str]]) -> tuple[Figure, dict[tuple[str, str], Axes]]:
    """Return a panel a cell, up to four in a row."""
    columns = min(4, len(cells))
    rows = -(-len(cells) // columns)
    figure = Figure(figsize=(PAGE_WIDTH, (2.6 if rows == 1 else 1.7) * rows + 0.9))
    grid = figure.subplots(rows, columns, sharex=True, sharey=True, squeeze=False)
    for axes in grid.flat[len(cells) :]:
        axes.remove()
    places = dict(zip(cells, grid.flat, strict=False))
    for (a, b), axes in places.items():
        axes.set_title(_between(a, b, columns), fontsize=SMALL if columns > 2 else 8.0)
    return figure, places


def _between(a: str, b: str, columns: int) -> str:
    """Return the title of a panel, of two lines where one would run into its neighbour."""
    long = len(a) + len(b) > MOST_LETTERS // columns
    return f"{a} -\n{b}" if long else f"{a} - {b}"


def _draw_curve(axes: Axes, points: Sequence[CurvePoint], split: str, colour: str) -> None:
    at = [p.alpha for p in points]
    lines = np.array([(p.mean, p.low, p.high) for p in points]).T
    if points and points[0].metric == "error":
        lines = 100.0 * (1.0 - lines)
    axes.plot(at, lines[0], color=colour, label=split)
    if np.isfinite(lines[1:]).all():
        axes.fill_between(at, lines[1], lines[2], color=colour, alpha=0.2, linewidth=0)


def _draw_thin(axes: Axes, points: Sequence[CurvePoint], colour: str) -> None:
    accuracy = points and points[0].metric == "error"
    values = [100.0 * (1.0 - p.mean) if accuracy else p.mean for p in points]
    axes.plot([p.alpha for p in points], values, color=colour, linewidth=0.5, linestyle="--")
