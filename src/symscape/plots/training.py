"""How a run went, epoch by epoch: loss, accuracy, learning rate and symmetry."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence

import numpy as np
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.ticker import FuncFormatter, LogLocator, MaxNLocator, NullLocator
from numpy.typing import NDArray

from symscape.plots.style import BLUE, GREEN, PAGE_WIDTH, PURPLE, VERMILLION, style, wrap_title

Rows = Sequence[Mapping[str, float]]

_FEW = 30  # up to so many epochs every one gets a marker
_ENOUGH = 8  # values, below which they do not show what a log axis is for


@style()
def training_curves(rows: Rows, title: str) -> Figure:
    """Draw loss, accuracy, learning rate and mean symmetry S against the epoch.

    Args:
        rows: One mapping an epoch, with the columns of metrics.csv; accuracies in [0, 1]. A key
            that is absent was not measured in that epoch, and the line passes over it; a value
            that is not finite breaks the line and is counted in a note.
        title: Of the figure; long ones are wrapped.
    """
    figure = Figure(figsize=(PAGE_WIDTH, 4.8))
    figure.suptitle(wrap_title(title))
    (loss, accuracy), (rate, symmetry) = figure.subplots(2, 2, sharex=True)
    _draw_loss(loss, rows)
    _draw_accuracy(accuracy, rows)
    _draw_rate(rate, rows)
    _draw_symmetry(symmetry, rows)
    _share_epochs((rate, symmetry), rows)
    figure.align_ylabels()
    return figure


def _draw_loss(axes: Axes, rows: Rows) -> None:
    axes.set_title("Loss")
    axes.set_ylabel("loss (nats)")
    _line(axes, rows, "train/loss", "train", BLUE)
    _line(axes, rows, "val/loss", "val", VERMILLION)
    _finish(axes, magnitude=True)


def _draw_accuracy(axes: Axes, rows: Rows) -> None:
    axes.set_title("Accuracy")
    axes.set_ylabel("accuracy (%)")
    for part, colour in (("train", BLUE), ("val", VERMILLION)):
        last = [row[f"{part}/accuracy"] for row in rows if f"{part}/accuracy" in row][-1:]
        label = f"{part} (last {100 * last[0]:.2f} %)" if last else part
        _line(axes, rows, f"{part}/accuracy", label, colour, scale=100.0)
    _finish(axes)


def _draw_rate(axes: Axes, rows: Rows) -> None:
    axes.set_title("Learning rate")
    axes.set_ylabel("learning rate")
    _line(axes, rows, "lr", "learning rate", GREEN)
    _finish(axes, magnitude=True, legend=False)


def _draw_symmetry(axes: Axes, rows: Rows) -> None:
    axes.set_title("Symmetry, mean over layers")
    axes.set_ylabel("symmetry S (1 = exact)")
    axes.set_ylim(0.0, 1.05)
    _line(axes, rows, "symmetry/layer/total", "whole layer", BLUE)
    _line(axes, rows, "symmetry/mean_kernel/total", "mean kernel", PURPLE)
    _finish(axes)


def _line(axes: Axes, rows: Rows, key: str, label: str, colour: str, *, scale: float = 1.0) -> None:
    points = [(row["epoch"], scale * row[key]) for row in rows if key in row]
    if not points:
        return
    epochs, values = np.array(points, dtype=float).T
    values[~np.isfinite(values)] = np.nan
    marker = "o" if len(points) <= _FEW else ""
    axes.plot(epochs, values, color=colour, label=label, marker=marker)


def _finish(axes: Axes, *, magnitude: bool = False, legend: bool = True) -> None:
    """Say what the panel holds or lacks; a `magnitude` gets a log axis or one that starts at 0."""
    lines = axes.get_lines()
    if not lines:
        axes.text(0.5, 0.5, "not measured", transform=axes.transAxes, ha="center", color="0.4")
        return
    values = [np.asarray(line.get_ydata(), dtype=float) for line in lines]
    finite = [line[np.isfinite(line)] for line in values]
    if magnitude:
        _scale_magnitude(axes, finite)
    if legend:
        axes.legend(loc="best")
    if lost := sum(map(len, values)) - sum(map(len, finite)):
        text = f"{lost} value{'s' * (lost > 1)} not finite"
        axes.set_title(text, loc="right", color=VERMILLION, fontsize=8.0)


def log_pays(values: NDArray[np.float64]) -> bool:
    """Return whether a linear axis would squash a quarter of `values` into its lowest tenth.

    A step schedule and a loss that falls to 0.01 then get a log axis; a cosine schedule, whose
    shape a linear axis shows best, and anything that touches zero do not.
    """
    if values.size < _ENOUGH or values.min() <= 0.0:
        return False
    return float(np.mean(values < values.max() / 10.0)) >= 0.25


def _scale_magnitude(axes: Axes, lines: Sequence[NDArray[np.float64]]) -> None:
    """Give the axis the scale that suits the finite values of its lines."""
    values = np.concatenate(lines)
    if not values.any() or values.min() < 0.0:
        return
    if values.min() == 0.0 or not any(map(log_pays, lines)):
        # A constant stays a level line, and no ratio is exaggerated.
        axes.set_ylim(0.0, 1.06 * values.max())
        return
    decades = math.log10(values.max() / values.min())
    axes.set_yscale("log")
    # Few decades hold few powers of ten: 2 and 5 keep at least three labels on the axis.
    axes.yaxis.set_major_locator(LogLocator(subs=(1.0, 2.0, 5.0) if decades < 2.5 else (1.0,)))
    axes.yaxis.set_minor_locator(NullLocator())
    axes.yaxis.set_major_formatter(FuncFormatter(lambda value, _: f"{value:g}"))


def _share_epochs(bottom: tuple[Axes, Axes], rows: Rows) -> None:
    last = max((row["epoch"] for row in rows), default=1.0)
    first = min((row["epoch"] for row in rows), default=1.0)
    room = max(0.5, 0.02 * (last - first))
    for axes in bottom:
        axes.set_xlabel("epoch")
        axes.set_xlim(first - room, last + room)
        axes.xaxis.set_major_locator(
            MaxNLocator(nbins=7, integer=True, min_n_ticks=1, steps=[1, 2, 5, 10])
        )
