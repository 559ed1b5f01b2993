"""What the lifting layer makes of an image, and of the same image moved, at elements of a group."""

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

_LABELS = 1.3  # inches at the left, for the names of the rows
_WIDEST = 1.2  # inches from one map to the next


@style()
def activations(arrays: Arrays, run: str) -> Figure:
    """Draw a row for an image, one for the image moved, and one for what the group makes of it.

    The last is there where the motion is an exact symmetry: the first row, moved likewise and
    carried to the elements where the motion takes it. An equivariant layer has it equal the second.

    Args:
        arrays: of examples.npz: `images` (2, C, H, W), `maps` (2 or 3, N, H, W) and their names.
        run: what to call it.
    """
    maps, images, motion = arrays["maps"], arrays["images"], str(arrays["motion"])
    elements = [str(name) for name in arrays["maps_elements"]]
    title = _title(arrays, run, motion)
    cell = min(_WIDEST, (PAGE_WIDTH - _LABELS - 0.1) / (len(elements) + 1))
    head = LINE * (2 + max(name.count("\n") for name in elements)) + 0.05
    top = title_height(title)
    figure, axes = page(top + head + cell * len(maps) + BAR_HEIGHT + 0.1, title)
    left = max(_LABELS, (PAGE_WIDTH - cell * (len(elements) + 1)) / 2)
    _name_columns(axes, ["image", *elements], Box(left, top + head, cell, head))
    alike = "maps and elements" if len(elements) > 1 else "map"
    wanted = f"if equivariant:\n{alike}\nof the first row\n{motion}"
    rows = ["image", f"image\n{motion}", wanted]
    for row, (values, words) in enumerate(zip(maps, rows, strict=False)):
        y, side = top + head + row * cell, 0.92 * cell
        axes.text(left - 0.08, y + side / 2, words, ha="right", va="center")
        if row < len(images):
            _draw_image(axes, images[row], Box(left, y, side, side))
        for n, values_n in enumerate(values):
            place = Box(left + (n + 1) * cell, y, side, side)
            draw_kernel(axes, values_n, place, largest(maps))
    colour_bar(figure, "activation / largest |activation| shown")
    return figure


def _title(arrays: Arrays, run: str, motion: str) -> str:
    layer = short_name(str(arrays["maps_layer"]), 48)
    title = wrap_title(f"{run}: output of {layer}, channel {int(arrays['maps_channel'])}")
    difference = float(arrays["difference"])
    if np.isfinite(difference):
        amount = f"{difference:.2g} of their norm (0: equivariant)"
        return f"{title}\nrows 2 and 3, over all channels and elements, differ by {amount}"
    return f"{title}\n{motion}: pixels follow by interpolation alone, so nothing exact is expected"


def _name_columns(axes: Axes, names: list[str], box: Box) -> None:
    for column, name in enumerate(names):
        name = name or "output"
        x = box.left + (column + 0.46) * box.width
        axes.text(x, box.top - 0.04, name, ha="center", va="bottom", fontsize=SMALL)
    if len(names) > 2:
        middle = box.left + (1 + (len(names) - 1) / 2) * box.width
        words = "element of the group"
        axes.text(middle, box.top - box.height + LINE, words, ha="center", va="bottom")


def _draw_image(axes: Axes, image: NDArray[np.uint8], box: Box) -> None:
    """Draw (C, H, W): one channel in grey, three in colour, of others their mean in grey."""
    channels, height, width = image.shape
    scale = box.width / max(height, width)
    right, bottom = box.left + scale * width, box.top + scale * height
    pixels = np.moveaxis(image, 0, -1) if channels == 3 else image.mean(0)
    axes.imshow(
        pixels,
        cmap="gray",
        vmin=0,
        vmax=255,
        extent=(box.left, right, bottom, box.top),
        aspect="auto",
        interpolation="none",
    )
