"""Pictures of kernels: the mean kernel of every layer, and single filters of a few."""

from __future__ import annotations

import math
import re
from collections.abc import Mapping, Sequence

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

Kernels = Mapping[str, NDArray[np.floating]]

_MARGIN = 0.5  # inches at the left, for the names of the rows
_ROOM = PAGE_WIDTH - _MARGIN - 0.15
_CHARACTER = 0.62 * SMALL / 72  # inches: the mean width of a character of the smallest text
_MOST_COLUMNS = 16
_WIDEST = 0.72  # inches from one kernel to the next, however few there are

_OUTPUTS, _INPUTS, _LAYERS = 20, 3, 6
_TIMES = "\N{MULTIPLICATION SIGN}"


@style()
def mean_kernel_strip(start: Kernels, end: Kernels, title: str) -> Figure:
    """Draw the signed mean kernel of every layer before training and after it.

    The layers run from left to right and wrap; of each pair of rows the upper one is the start.
    Mean kernels differ a hundredfold between layers, so that one scale for all would show a few
    and blank the rest: each kernel is scaled to its own largest |value|, printed below it.

    Args:
        start: Mean kernel (kh, kw) of each layer before training, in order of depth.
        end: The same at the end. A layer that only one of the two holds leaves a blank.
        title: Of the figure; long ones are wrapped.
    """
    layers = list(dict.fromkeys([*start, *end]))
    columns = math.ceil(len(layers) / math.ceil(len(layers) / _MOST_COLUMNS)) if layers else 1
    pitch = min(_WIDEST, _ROOM / columns)
    names, rotation, head = _layer_names(layers, pitch)
    block = head + 2 * (0.84 * pitch + LINE + 0.03) + 0.08
    left = max(_MARGIN, (PAGE_WIDTH - columns * pitch) / 2)
    title = wrap_title(title)
    top = title_height(title)
    figure, axes = page(top + block * math.ceil(len(layers) / columns) + BAR_HEIGHT, title)
    for index, layer in enumerate(layers):
        row, column = divmod(index, columns)
        box = Box(left + column * pitch, top + row * block, pitch, head)
        _text(axes, box.left + pitch / 2, box.top + head - 0.05, names[index], rotation)
        _start_and_end(axes, [start.get(layer), end.get(layer)], box, label=column == 0)
    colour_bar(figure, "value / largest |value| of that kernel, printed below it")
    return figure


def _layer_names(layers: Sequence[str], pitch: float) -> tuple[list[str], float, float]:
    """Return the names as printed, their rotation (degrees) and their height (inches)."""
    width = int(pitch / _CHARACTER)
    wrapped = [_wrap_name(layer, width) for layer in layers]
    lines = [name.split("\n") for name in wrapped] or [[""]]
    if max(map(len, lines)) <= 3 and max(len(line) for name in lines for line in name) <= width:
        return wrapped, 0.0, LINE * max(map(len, lines)) + 0.08
    names = [short_name(layer) for layer in layers]
    return names, 90.0, max(map(len, names)) * _CHARACTER + 0.1


def _wrap_name(name: str, width: int) -> str:
    """Break a dotted name before its dots into lines of at most `width` characters, if it can."""
    lines = [""]
    for part in name.replace(".", "\n.").split("\n"):
        if len(lines[-1]) + len(part) > width and lines[-1]:
            lines.append("")
        lines[-1] += part
    return "\n".join(lines)


def _start_and_end(
    axes: Axes, pair: Sequence[NDArray[np.floating] | None], box: Box, *, label: bool
) -> None:
    """Draw a layer's two kernels below its name, each with its largest |value|."""
    side = 0.84 * box.width
    for row, (kernel, word) in enumerate(zip(pair, ("start", "end"), strict=True)):
        top = box.top + box.height + row * (side + LINE + 0.03)
        if label:
            axes.text(box.left - 0.02, top + side / 2, word, ha="right", va="center")
        if kernel is None:
            continue
        place = Box(box.left + 0.08 * box.width, top, side, side)
        draw_kernel(axes, kernel, place, largest(kernel))
        number = _figures(float(np.abs(kernel).max()))
        _text(axes, box.left + box.width / 2, top + side + LINE, number)


def _figures(value: float) -> str:
    """Return `value` to two figures, as short as its narrow place asks for: 8.0e-5, not 8.0e-05."""
    return re.sub(r"e(-?)[+0]*", r"e\1", f"{value:#.2g}").rstrip(".") if value else "0"


def _text(axes: Axes, x: float, y: float, text: str, rotation: float = 0.0) -> None:
    axes.text(x, y, text, ha="center", va="bottom", rotation=rotation, fontsize=SMALL)


@style()
def kernel_gallery(kernels: Kernels, title: str) -> Figure:
    """Draw single filters of about six layers spread over the depth.

    Of each layer the first 20 output channels (columns) and the first 3 input channels (rows)
    are shown. All slices of a layer share one scale, stated beside its name.

    Args:
        kernels: Weight (out, in, kh, kw) of each layer, in order of depth.
        title: Of the figure; long ones are wrapped.
    """
    layers = _spread(list(kernels))
    shown = [kernels[layer][:_OUTPUTS, :_INPUTS] for layer in layers]
    title = f"{wrap_title(title)}\ncolumns: first output channels, rows: first input channels"
    top = title_height(title)
    figure, axes = page(top + sum(map(_gallery_height, shown)) + BAR_HEIGHT, title)
    for layer, slices in zip(layers, shown, strict=True):
        _gallery_row(axes, layer, kernels[layer].shape, slices, top)
        top += _gallery_height(slices)
    colour_bar(figure, "value / scale of that layer (the largest |value| shown)")
    return figure


def _spread(layers: list[str]) -> list[str]:
    places = np.linspace(0, len(layers) - 1, min(_LAYERS, len(layers))).round().astype(int)
    return [layers[place] for place in places]


def _cell(slices: NDArray[np.floating]) -> tuple[float, float]:
    """Return width and height, in inches, of the place of one slice, gap included."""
    width = _ROOM / _OUTPUTS
    rows, columns = slices.shape[2:]
    return width, width * float(min(1.0, rows / columns))


def _gallery_height(slices: NDArray[np.floating]) -> float:
    return 0.36 + float(slices.shape[1]) * _cell(slices)[1]


def _gallery_row(
    axes: Axes, layer: str, shape: Sequence[int], slices: NDArray[np.floating], top: float
) -> None:
    """Draw the slices (out, in, kh, kw) of one layer below a line that describes it."""
    outputs, inputs, rows, columns = shape
    limit = largest(slices)
    size = f"{outputs} out {_TIMES} {inputs} in, {rows} {_TIMES} {columns} taps"
    text = f"{short_name(layer, 48)}   ({size})"
    axes.text(_MARGIN, top + 0.16, f"{text}   scale {_figures(limit)}", va="bottom")
    width, height = _cell(slices)
    for i in range(slices.shape[1]):
        y = top + 0.2 + i * height
        axes.text(_MARGIN - 0.06, y + 0.45 * height, f"in {i}", ha="right", va="center")
        for o in range(slices.shape[0]):
            box = Box(_MARGIN + o * width, y, 0.9 * width, 0.9 * height)
            draw_kernel(axes, slices[o, i], box, limit)
