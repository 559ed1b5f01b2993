"""Barriers against the train loss of the networks that a line joins."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
from matplotlib.axes import Axes
from matplotlib.figure import Figure

from symscape.plots.barriers.curves import panels_of
from symscape.plots.read.barriers import MeanBarrier
from symscape.plots.style import COLOURS, SMALL, style, wrap_title


@style()
def against_loss(means: Sequence[MeanBarrier], title: str) -> Figure:
    """Draw the barrier of every pair of kinds against the train loss, which falls to the right.

    Bars are 95 % intervals over pairs. The learning rate is not the same everywhere.

    Args:
        means: of any metric and definition; loss by chord is drawn.
        title: of the figure.
    """
    drawn = [m for m in means if (m.metric, m.definition) == ("loss", "chord")]
    splits = list(dict.fromkeys(m.split for m in drawn))
    figure, places, left_out = panels_of(list(dict.fromkeys((m.a, m.b) for m in drawn)))
    figure.suptitle(wrap_title(title + left_out))
    for cell, axes in places.items():
        for split, colour in zip(splits, COLOURS, strict=False):
            _draw(axes, [m for m in drawn if (m.a, m.b, m.split) == (*cell, split)], colour)
        axes.set_title(axes.get_title(), fontsize=SMALL)
    next(iter(places.values())).invert_xaxis()  # They share it.
    handles, labels = next(iter(places.values())).get_legend_handles_labels()
    said = "train loss of both ends or less (nats); training goes right"
    figure.legend(handles, labels, loc="outside lower center", ncols=len(splits), title=said)
    figure.supylabel("barrier (nats)", fontsize=8.0)
    return figure


def _draw(axes: Axes, means: Sequence[MeanBarrier], colour: str) -> None:
    heights = np.array([m.mean for m in means])
    # Where one pair is all there is there is no interval, and no bar.
    below, above = heights - [m.low for m in means], [m.high for m in means] - heights
    errors = np.nan_to_num(np.maximum([below, above], 0.0))
    levels = [m.level for m in means]
    label = means[0].split if means else None
    axes.errorbar(levels, heights, errors, color=colour, marker=".", linewidth=1.0, label=label)
