"""The mean kernel of every layer, as small signed images."""

from __future__ import annotations

import math
from collections.abc import Mapping
from typing import Any

import numpy as np
from matplotlib.figure import Figure

from symscape.plots.canvas import (
    BAR_HEIGHT,
    LINE,
    Box,
    colour_bar,
    draw_kernel,
    largest,
    page,
    title_height,
)
from symscape.plots.style import PAGE_WIDTH, SMALL, short_name, style

COLUMNS = 10
CELL = 0.58
"""Inches of a kernel and the gap beside it."""


@style()
def mean_kernels(networks: Mapping[str, dict[str, Any]]) -> Figure:
    """Draw the signed mean kernel of every layer, each by its own largest tap: blocks of networks.

    Args:
        networks: a result a kind, by what to call it.
    """
    layers = {label: r["kernels"]["final"] for label, r in networks.items()}
    title = "Mean kernels, in order of execution; each scaled by its largest tap"
    row = CELL + 2.6 * LINE
    rows = sum(math.ceil(len(each) / COLUMNS) for each in layers.values())
    height = title_height(title) + rows * row + len(layers) * 2 * LINE + BAR_HEIGHT
    figure, axes = page(height, title)
    top = title_height(title)
    for label, each in layers.items():
        axes.text(0.12, top + LINE, label, fontsize=8.0, weight="bold")
        top += 2 * LINE
        for i, layer in enumerate(each):
            left = 0.12 + (i % COLUMNS) * (PAGE_WIDTH - 0.24) / COLUMNS
            y = top + (i // COLUMNS) * row
            kernel = np.array(layer["mean_kernel"], dtype=float)
            draw_kernel(axes, kernel, Box(left, y, CELL, CELL), largest(kernel))
            score = "" if layer["score"] is None else f"S {layer['score']:.2f}"
            name = short_name(layer["layer"], 13)
            axes.text(left, y + CELL + LINE, name, fontsize=SMALL - 1.5)
            axes.text(left, y + CELL + 1.9 * LINE, score, fontsize=SMALL - 1.0)
        top += math.ceil(len(each) / COLUMNS) * row
    colour_bar(figure, "tap of the mean kernel, over its largest |tap|")
    return figure
