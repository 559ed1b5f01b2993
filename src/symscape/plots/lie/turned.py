"""Accuracy and displacement of the logits by the angle of the test images, for kinds of runs."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from pathlib import Path

import numpy as np
from matplotlib.figure import Figure

from symscape.plots.read.runs import Equivariance, by_angle, read_equivariance
from symscape.plots.style import COLOURS, PAGE_WIDTH, columns, save, style, wrap_title


def draw_turned(title: str, tables: Mapping[str, Sequence[Path]], picture: Path) -> list[Path]:
    """Draw what the runs of each kind make of turned test images; nothing without a table.

    Args:
        title: of the picture.
        tables: equivariance.csv of each run, by what to call its kind.
        picture: where it goes.

    Returns:
        The PNG file written.
    """
    kinds = {label: [read_equivariance(path) for path in paths] for label, paths in tables.items()}
    kinds = {label: runs for label, runs in kinds.items() if runs}
    return save(turned(title, kinds), picture) if kinds else []


@style()
def turned(title: str, kinds: Mapping[str, Sequence[Sequence[Equivariance]]]) -> Figure:
    """Draw a line a kind, the mean of its runs, which are thin lines.

    Args:
        title: of the picture.
        kinds: rows of equivariance.csv of each run, by what to call its kind.
    """
    beside = columns([f"{label} (n=3)" for label in kinds])
    more = max(0, math.ceil(len(kinds) / beside) - 2)
    figure = Figure(figsize=(PAGE_WIDTH, 2.9 + 0.17 * more))  # Room for a legend of many lines.
    figure.suptitle(wrap_title(f"{title}: test images, turned; mean over seeds, each one thin"))
    left, right = figure.subplots(1, 2)
    for place, (label, runs) in enumerate(kinds.items()):
        colour = COLOURS[place % len(COLOURS)]
        dashes = ("-", "--", ":")[place // len(COLOURS) % 3]
        for axes, key, scale in ((left, "accuracy", 100.0), (right, "value", 1.0)):
            lines = [by_angle(rows, key) for rows in runs]
            angles = sorted(set.intersection(*(set(line) for line in lines)))
            heights = scale * np.array([[line[a] for a in angles] for line in lines])
            for height in heights if len(heights) > 1 else []:
                axes.plot(angles, height, dashes, color=colour, lw=0.4, alpha=0.5)
            name = f"{label} (n={len(runs)})" if axes is left else None
            axes.plot(angles, heights.mean(0), dashes, color=colour, label=name)
    left.set_ylabel("accuracy (%)")
    left.set_ylim(0, 102)
    right.set_ylabel("displacement of the logits\n(1: as another image's)")
    right.set_ylim(bottom=0)
    for axes in (left, right):
        axes.set_xlabel("angle by which images are turned (degrees)")
        axes.set_xticks(range(0, 361, 45))
    figure.legend(loc="outside lower center", ncols=beside)
    return figure
