"""Kernels of a layer on a group: from every element of the input to every one of the output."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import numpy as np
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from numpy.typing import NDArray

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
from symscape.plots.style import PAGE_WIDTH, SMALL, short_name, style, wrap_title

Arrays = Mapping[str, NDArray[Any]]

_LABELS = 0.5  # inches at the left of a panel, for the names of its rows
_GAP = 0.15


@style()
def group_kernels(arrays: Arrays, run: str) -> Figure:
    """Draw a panel for each pair of channels: output elements down, input elements across.

    Args:
        arrays: of examples.npz: `kernels` (O, I, N, N, k, k), `elements`, `kernel_layer`.
        run: what to call it.
    """
    kernels, elements = arrays["kernels"], [str(name) for name in arrays["elements"]]
    outputs, inputs, size = kernels.shape[:3]
    title = wrap_title(f"{run}: kernels of {short_name(str(arrays['kernel_layer']), 48)}")
    title += "\nrows: element of the group at the output, columns: at the input"
    width = (PAGE_WIDTH - _GAP) / inputs
    cell = min((width - _LABELS - _GAP) / size, 0.95)
    head = 0.2 + LINE * (1 + max(name.count("\n") for name in elements)) + 0.05
    height, top = head + cell * size + 0.1, title_height(title)
    figure, axes = page(top + outputs * height + BAR_HEIGHT + 0.05, title)
    for o in range(outputs):
        for i in range(inputs):
            name = f"output channel {o}, input channel {i}"
            box = Box(_GAP / 2 + i * width, top + o * height, cell, head)
            _panel(axes, kernels[o, i], elements, name, box)
    colour_bar(figure, "value / largest |value| of that panel")
    return figure


def _panel(
    axes: Axes, kernels: NDArray[np.floating], elements: list[str], name: str, box: Box
) -> None:
    """Draw kernels (N, N, k, k) in cells as wide as `box`, below its height of words."""
    left, top, limit = box.left + _LABELS, box.top + box.height, largest(kernels)
    middle = left + box.width * len(elements) / 2
    axes.text(middle, box.top + 0.15, name, ha="center", va="bottom")
    for n, label in enumerate(elements):
        across, down = left + (n + 0.45) * box.width, top + (n + 0.45) * box.width
        axes.text(across, top - 0.04, label, ha="center", va="bottom", fontsize=SMALL)
        axes.text(left - 0.05, down, label, ha="right", va="center", fontsize=SMALL)
        for m in range(len(elements)):
            side = 0.9 * box.width
            place = Box(left + m * box.width, top + n * box.width, side, side)
            draw_kernel(axes, kernels[n, m], place, limit)
