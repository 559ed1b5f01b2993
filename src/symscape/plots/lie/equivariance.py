"""What turns and scales of its input do to a network."""

from __future__ import annotations

import math
from collections.abc import Sequence

import numpy as np
from matplotlib.axes import Axes
from matplotlib.figure import Figure

from symscape.plots.read.runs import Equivariance
from symscape.plots.style import (
    BLUE,
    COLOURS,
    GREY,
    ORANGE,
    PAGE_WIDTH,
    SMALL,
    VERMILLION,
    short_name,
    style,
    wrap_title,
)

FLOOR = 1e-9
"""An error of 0 is drawn here: its axis is logarithmic."""
KNOWN = (
    ("exact symmetry of pixels and grid", "s", BLUE),
    ("angle or scale of the group's grid: up to sampling", "o", BLUE),
    ("in between: not on the grid", "o", "white"),
)
"""How a motion is known to the network, and its mark."""


@style()
def equivariance(rows: Sequence[Equivariance], run: str) -> Figure:
    """Draw accuracy and displacement of the logits by angle and scale, and the errors of layers.

    Args:
        rows: of equivariance.csv.
        run: what to call it.
    """
    kinds = {k: [r for r in rows if r.kind == k] for k in ("angle", "scale", "layer")}
    bands = [kind for kind, found in kinds.items() if found]
    figure = Figure(figsize=(PAGE_WIDTH, 0.95 + 2.1 * len(bands)))
    figure.suptitle(wrap_title(f"{run}: test images, turned" + " or shrunk" * bool(kinds["scale"])))
    grid = figure.add_gridspec(len(bands), 2)
    for place, kind in enumerate(bands):
        if kind == "layer":
            _draw_layers(figure.add_subplot(grid[place, :]), kinds[kind])
            continue
        left, right = (figure.add_subplot(grid[place, i]) for i in (0, 1))
        _draw_accuracy(left, kinds[kind])
        _draw_displacement(right, kinds[kind])
        for axes in (left, right):
            _name_motion(axes, kind)
        if place == 0:
            _explain(figure, right, kinds["angle"] + kinds["scale"])
    return figure


def _closed(rows: Sequence[Equivariance], values: Sequence[float]) -> tuple[list[float], ...]:
    """Return amounts and values in order; 0 degrees again at 360."""
    points = sorted(zip((r.amount for r in rows), values, strict=True))
    if rows[0].kind == "angle" and points[0][0] == 0:
        points.append((360.0, points[0][1]))
    return [x for x, _ in points], [y for _, y in points]


def _line(axes: Axes, rows: Sequence[Equivariance], values: Sequence[float]) -> None:
    """Draw a line whose marks say how the network knows each motion."""
    axes.plot(*_closed(rows, values), color=BLUE)
    for known, (_, marker, face) in enumerate(KNOWN):
        here = [(r, v) for r, v in zip(rows, values, strict=True) if _known(r) == known]
        if here:
            chosen, heights = zip(*here, strict=True)
            axes.plot(*_closed(chosen, heights), marker, color=BLUE, mfc=face, clip_on=False)


def _known(row: Equivariance) -> int:
    return {"": 2, "grid": 1}.get(row.element, 0)


def _draw_accuracy(axes: Axes, rows: Sequence[Equivariance]) -> None:
    values = [100 * row.accuracy for row in rows]
    mean = sum(values) / len(values)
    axes.set_title(f"Accuracy{_of(rows)} (mean {mean:.1f} %)")
    axes.set_ylabel("accuracy (%)")
    _line(axes, rows, values)
    axes.set_ylim(0, 105)


def _of(rows: Sequence[Equivariance]) -> str:
    count = rows[0].images
    return f" of {count} images" if count else ""


def _draw_displacement(axes: Axes, rows: Sequence[Equivariance]) -> None:
    axes.set_title(f"Displacement of the logits{_of(rows)}")
    axes.set_ylabel("displacement / distance of\ntwo images' logits")
    axes.axhline(1, color=VERMILLION, ls=":", label="another image in its place (mean)")
    back = _closed(rows, [row.resampled for row in rows])
    axes.plot(*back, color=ORANGE, ls="--", label="image moved and moved back: resampling alone")
    values = [row.value for row in rows]
    _line(axes, rows, values)
    finite = [v for v in (*values, *back[1], 1.0) if math.isfinite(v)]
    axes.set_ylim(0, 1.08 * max(finite))


def _name_motion(axes: Axes, kind: str) -> None:
    if kind == "angle":
        axes.set_xlabel("angle by which images are turned (degrees)")
        axes.set_xlim(0, 360)
        axes.set_xticks(range(0, 361, 45))
        return
    axes.set_xlabel("factor by which images are shrunk")
    axes.margins(x=0.08)
    axes.invert_xaxis()


def _explain(figure: Figure, axes: Axes, rows: Sequence[Equivariance]) -> None:
    """Draw one legend for all panels: marks that occur, then the controls."""
    occur = {_known(row) for row in rows}
    handles, names = axes.get_legend_handles_labels()
    for known, (name, marker, face) in enumerate(KNOWN):
        if known in occur:
            handles += axes.plot([], [], color=BLUE, marker=marker, mfc=face)
            names.append(name)
    figure.legend(handles, names, loc="outside lower center", ncols=2)


def _draw_layers(axes: Axes, rows: Sequence[Equivariance]) -> None:
    """Draw the error of every layer under every exact symmetry."""
    layers = list(dict.fromkeys(row.layer for row in rows))
    elements = list(dict.fromkeys(row.element for row in rows))
    axes.set_title(f"Layers under exact symmetries: moved maps against maps{_of(rows)}, moved")
    axes.set_ylabel("difference / norm")
    axes.set_yscale("log")
    for number, element in enumerate(elements):
        found = {row.layer: row.value for row in rows if row.element == element}
        shift = (number - (len(elements) - 1) / 2) * 0.5 / len(elements)
        places = np.arange(len(layers)) + shift
        heights = [max(found.get(layer, math.nan), FLOOR) for layer in layers]
        axes.plot(
            places, heights, "osD^v<>"[number], color=COLOURS[number % len(COLOURS)], label=element
        )
    axes.axhline(1, color=GREY, ls=":")
    axes.text(-0.45, 0.7, "1: as large as the maps", va="top", fontsize=SMALL)
    # Room above for the legend.
    axes.set_ylim(FLOOR / 2, 3e3)
    axes.set_yticks([1e-9, 1e-7, 1e-5, 1e-3, 1e-1], ["0", "$10^{-7}$", "$10^{-5}$", "0.001", "0.1"])
    names = [_broken(short_name(name)) for name in layers]
    axes.set_xticks(range(len(layers)), names, fontsize=SMALL)
    axes.set_xlim(-0.5, len(layers) - 0.5)
    axes.set_xlabel("convolution, in order of depth")
    legend = {"ncols": len(elements), "columnspacing": 1.0, "handletextpad": 0.1, "borderpad": 0}
    axes.legend(loc="upper center", **legend)


def _broken(name: str) -> str:
    """Return a dotted name in two lines."""
    head, _, tail = name.rpartition(".")
    return f"{head}\n.{tail}" if head else name
