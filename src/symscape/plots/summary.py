"""The picture of a study: every kind of runs beside the others, its seeds and their mean."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from matplotlib.axes import Axes
from matplotlib.figure import Figure

from symscape.plots.read.runs import naming, table
from symscape.plots.style import BLUE, GREY, PAGE_WIDTH, axis_range, save, style, wrap_title

PANELS = {
    "test/accuracy": "test accuracy (%)",
    "test/loss": "test loss (nats)",
    "symmetry/layer/total": "S of the kernels (D4)",
    "change/hflip": "logit change, hflip (%)",
    "change/vflip": "logit change, vflip (%)",
    "change/rot90": "logit change, 90° (%)",
    "turned/accuracy": "turned: accuracy (%)",
    "turned/displacement": "turned: displacement (1: other image)",
}
MOST_KINDS = 60
TRAITS = ("symmetry", "augment", "model", "data", "settings")


@dataclass(frozen=True)
class Mean:
    """One row of summary.csv; low and high are nan where one run has no interval."""

    traits: tuple[str, ...]
    metric: str
    mean: float
    low: float
    high: float
    values: tuple[float, ...]


def read_means(path: Path) -> list[Mean]:
    """Return the rows of summary.csv that have a mean."""
    needed = (*TRAITS, "metric", "mean", "low", "high", "values")
    with naming(path):
        return [mean for mean in table(path, needed, _mean) if mean.metric]


def _mean(cells: dict[str, str]) -> Mean:
    mean, low, high = (float(cells[key] or "nan") for key in ("mean", "low", "high"))
    values = tuple(map(float, cells["values"].split()))
    return Mean(tuple(cells[key] for key in TRAITS), cells["metric"], mean, low, high, values)


def draw_summary(path: Path, picture: Path) -> list[Path]:
    """Draw what a study's `summary.csv` holds; nothing where no run is completed.

    Returns:
        The PNG file written.
    """
    means = [mean for mean in read_means(path) if mean.metric in PANELS]
    return save(summary(means, f"Study {path.parent.name}"), picture) if means else []


@style()
def summary(means: Sequence[Mean], title: str) -> Figure:
    """Draw the seeds of every kind as dots, their mean with its 95 % interval beside them."""
    every = list(dict.fromkeys(mean.traits for mean in means))
    kinds = every[:MOST_KINDS]
    labels = _labels(kinds)
    counts = {mean.traits: len(mean.values) for mean in reversed(means)}
    panels = [metric for metric in PANELS if any(mean.metric == metric for mean in means)]
    columns = min(3, len(panels))
    rows = -(-len(panels) // columns)
    figure = Figure(figsize=(PAGE_WIDTH, rows * (0.7 + 0.2 * len(kinds)) + 0.6))
    cut = f" (the first {len(kinds)} of {len(every)} kinds)" if len(kinds) < len(every) else ""
    several = any(np.isfinite(mean.low) for mean in means)
    shown = "seeds, their mean, its 95 % interval" if several else "one seed a kind"
    figure.suptitle(wrap_title(f"{title}: {shown}{cut}"))
    grid = figure.subplots(rows, columns, sharey=True, squeeze=False)
    for axes in grid.flat[len(panels) :]:
        axes.remove()
    for axes, metric in zip(grid.flat, panels, strict=False):
        own = {mean.traits: mean for mean in means if mean.metric == metric}
        scale = 100.0 if "%" in PANELS[metric] else 1.0
        for place, kind in enumerate(kinds):
            if kind in own:
                _draw_mean(axes, own[kind], place, scale)
        _narrow(axes, list(own.values()), scale)
        _widen(axes)
        axes.set_xlabel(PANELS[metric])
        axes.set_yticks(range(len(kinds)), [f"{labels[k]} (n={counts[k]})" for k in kinds])
    grid[0, 0].set_ylim(len(kinds) - 0.5, -0.5)
    return figure


def _draw_mean(axes: Axes, mean: Mean, place: int, scale: float) -> None:
    values = scale * np.array(mean.values)
    if len(values) > 1:
        axes.scatter(values, np.full(len(values), place + 0.18), s=5, color=GREY, linewidths=0)
    if np.isfinite(mean.low):
        ends = (scale * mean.low, scale * mean.high)
        axes.plot(ends, (place, place), color=BLUE, solid_capstyle="butt")
    axes.plot(scale * mean.mean, place, color=BLUE, marker="o")


def _narrow(axes: Axes, means: Sequence[Mean], scale: float) -> None:
    """Cut intervals that dwarf the seeds: of two seeds an interval is 18 times as long as they."""
    values = [scale * value for mean in means for value in mean.values]
    limits = axis_range(values, [scale * end for mean in means for end in (mean.low, mean.high)])
    if limits is not None and limits[0] < limits[1]:
        axes.set_xlim(*limits)


def _widen(axes: Axes) -> None:
    """Give equal numbers an axis whose ticks can be read: rounding is no difference."""
    low, high = axes.get_xlim()
    middle = (low + high) / 2
    if high - low < 1e-3 * abs(middle):
        axes.set_xlim(middle - 0.05 * abs(middle), middle + 0.05 * abs(middle))


def _labels(kinds: Sequence[tuple[str, ...]]) -> dict[tuple[str, ...], str]:
    """Return the traits of each kind that differ among all of them, or its symmetry."""
    differ = [i for i in range(len(TRAITS)) if len({kind[i] for kind in kinds}) > 1] or [0]
    return {kind: " ".join(filter(None, (kind[i] for i in differ))) for kind in kinds}
