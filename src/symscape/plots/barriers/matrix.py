"""The matrix of barriers between all kinds of runs."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
from matplotlib import colormaps
from matplotlib.axes import Axes
from matplotlib.cm import ScalarMappable
from matplotlib.colors import Normalize
from matplotlib.figure import Figure

from symscape.plots.barriers.curves import MOST_KINDS
from symscape.plots.read.barriers import MeanBarrier
from symscape.plots.style import PAGE_WIDTH, SMALL, style, wrap_title

MOST_NUMBERED = 14
"""Up to so many kinds, a number fits each cell of a matrix of page width."""
SEQUENTIAL = colormaps["cividis"]


@style()
def matrix(means: Sequence[MeanBarrier], title: str) -> Figure:
    """Draw the mean barrier of every pair of kinds, one panel a split, on one colour scale.

    Args:
        means: of any metric and definition; loss by chord is drawn.
        title: of the figure.
    """
    drawn = [m for m in means if (m.metric, m.definition) == ("loss", "chord")]
    splits = list(dict.fromkeys(m.split for m in drawn))
    kinds = list(dict.fromkeys(label for m in drawn for label in (m.a, m.b)))
    columns = min(2, len(splits)) if len(kinds) <= MOST_KINDS + 1 else 1
    rows = -(-len(splits) // columns)
    figure = Figure(figsize=(PAGE_WIDTH, (3.3 if columns == 2 else 6.0) * rows + 0.3))
    figure.suptitle(wrap_title(title))
    panels = figure.subplots(rows, columns, squeeze=False)
    if len(kinds) > MOST_NUMBERED:
        counts = sorted({m.count for m in drawn})
        span = f"{counts[0]} to {counts[-1]}" if len(counts) > 1 else f"{counts[0]}"
        figure.suptitle(wrap_title(f"{title}, n={span} pairs a cell"))
    norm = Normalize(0.0, max((m.mean for m in drawn), default=1.0) or 1.0)
    for axes in panels.flat[len(splits) :]:
        axes.remove()
    for axes, split in zip(panels.flat, splits, strict=False):
        _draw_matrix(axes, [m for m in drawn if m.split == split], kinds, norm)
        axes.set_title(split)
    bar = figure.colorbar(
        ScalarMappable(norm, SEQUENTIAL),
        ax=list(panels.flat[: len(splits)]),
        shrink=0.8,
        aspect=20 * rows * (2 / columns),
    )
    bar.set_label("mean barrier (nats)")
    return figure


def _draw_matrix(
    axes: Axes, means: Sequence[MeanBarrier], kinds: list[str], norm: Normalize
) -> None:
    places = [sorted((kinds.index(m.a), kinds.index(m.b))) for m in means]
    # A row or a column that no cell stands in is left out: of a single pair one cell remains.
    rows, columns = (sorted(set(each)) for each in zip(*places, strict=True))
    values = np.full((len(rows), len(columns)), np.nan)
    for m, (first, second) in zip(means, places, strict=True):
        row, column = rows.index(first), columns.index(second)
        values[row, column] = m.mean
        if len(kinds) <= MOST_NUMBERED:
            light = float(np.dot(SEQUENTIAL(norm(m.mean))[:3], (0.3, 0.6, 0.1))) > 0.5
            axes.text(
                column,
                row,
                f"{m.mean:.2f}\nn={m.count}",
                ha="center",
                va="center",
                fontsize=SMALL,
                color="black" if light else "white",
            )
    axes.imshow(np.ma.masked_invalid(values), cmap=SEQUENTIAL, norm=norm)
    names = [kinds[column] for column in columns]
    many = len(kinds) > MOST_KINDS + 1
    ticks = axes.set_xticks(range(len(columns)), names, rotation=90 if many else 45)
    for label in [] if many else [tick.label1 for tick in ticks]:
        label.set(ha="right", rotation_mode="anchor")
    axes.set_yticks(range(len(rows)), [kinds[row] for row in rows])
    axes.grid(visible=False)
