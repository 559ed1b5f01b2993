"""Curvature at the end of runs: by kind, as a density, against eps."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from numpy.typing import NDArray

from symscape.plots.read.runs import name_of
from symscape.plots.read.sharpness import Mean, Single
from symscape.plots.style import COLOURS, GREY, PAGE_WIDTH, style

Entries = dict[str, Any]


@style()
def by_kind(
    means: Sequence[Mean], singles: Sequence[Single] = (), about: str = "by symmetry"
) -> Figure:
    """Draw largest eigenvalue and trace of every kind of run, subspaces side by side.

    Small grey dots are single runs, where a kind has several. An open marker says that
    some eigenvalue behind the mean did not converge.
    """
    quantities = list(dict.fromkeys(m.quantity for m in means))
    scalings = list(dict.fromkeys(m.scaling for m in means))
    labels = list(dict.fromkeys(m.label for m in means))
    subspaces = list(dict.fromkeys(m.subspace for m in means))
    shape = (len(quantities), len(scalings))
    figure = Figure(figsize=(PAGE_WIDTH, 2.6 * shape[0] + 0.5))
    # Of one network a kind there is no interval, and its dot would stand beside itself.
    repeated = any(np.isfinite(m.low) for m in means)
    seeds = ": mean over seeds, 95 % interval; each seed in grey" if repeated else ""
    figure.suptitle(f"Curvature {about}{seeds}")
    panels = figure.subplots(*shape, squeeze=False, sharex=True)
    names = {"eigenvalue_1": "largest eigenvalue", "trace": "trace"}
    for row, quantity in enumerate(quantities):
        for column, scaling in enumerate(scalings):
            axes = panels[row, column]
            own = [m for m in means if (m.quantity, m.scaling) == (quantity, scaling)]
            runs = [s for s in singles if (s.quantity, s.scaling) == (quantity, scaling)]
            for i, subspace in enumerate(subspaces):
                shift = 0.3 * (i - (len(subspaces) - 1) / 2) / max(1, len(subspaces) - 1)
                here = [m for m in own if m.subspace == subspace]
                places = {m.name: labels.index(m.label) + shift for m in here}
                if repeated:
                    _draw_runs(axes, [s for s in runs if s.subspace == subspace], places)
                _draw_means(axes, here, places, subspace, COLOURS[i % len(COLOURS)])
            axes.set_title(f"{names[quantity]}, scaling {scaling}")
            _scale(axes, [m.mean for m in own], [m.low for m in own])
            axes.set_xlim(-0.5, len(labels) - 0.5)
    for axes in panels[-1]:
        axes.set_xticks(range(len(labels)), labels, rotation=30, ha="right", rotation_mode="anchor")
    handles, texts = panels[0, 0].get_legend_handles_labels()
    figure.legend(handles, texts, loc="outside lower center", ncols=len(texts))
    return figure


def _scale(
    axes: Axes, values: Sequence[float], lows: Sequence[float] = (), decades: float = 2.0
) -> None:
    """Take a log axis for positive values over more than `decades`, else one that holds 0.

    A linear axis holds the `lows` of intervals too.
    """
    finite = [value for value in values if np.isfinite(value)]
    if not finite or min(finite) <= 0:
        axes.axhline(0.0, color=GREY, linewidth=0.5)
    elif max(finite) > 10**decades * min(finite):
        axes.set_yscale("log")
    else:
        lowest = min([0.0, *(low for low in lows if np.isfinite(low))])
        axes.set_ylim(bottom=1.05 * lowest)


def _draw_runs(axes: Axes, runs: Sequence[Single], places: dict[str, float]) -> None:
    if there := [s for s in runs if s.name in places]:
        x, y = [places[s.name] - 0.06 for s in there], [s.value for s in there]
        axes.plot(x, y, ".", color=GREY, markersize=3)


def _draw_means(
    axes: Axes, means: Sequence[Mean], places: dict[str, float], subspace: str, colour: str
) -> None:
    for m in means:
        x = places[m.name]
        if np.isfinite([m.low, m.high]).all():
            axes.plot([x, x], [m.low, m.high], color=colour)
        axes.plot(x, m.mean, marker="o", color=colour, mfc="white" if m.unconverged else colour)
    if means:
        axes.plot([], [], marker="o", linestyle="", color=colour, label=subspace)


@style()
def against_epsilon(means: Sequence[Mean]) -> Figure:
    """Draw the mean rise of the loss along random directions against their size."""
    places = list(dict.fromkeys((m.subspace, m.scaling) for m in means))
    figure = Figure(figsize=(PAGE_WIDTH, 2.8 * -(-len(places) // 2) + 0.5))
    figure.suptitle("Rise of the train loss along random directions: mean over seeds")
    panels = figure.subplots(-(-len(places) // 2), min(2, len(places)), squeeze=False)
    for axes in panels.flat[len(places) :]:
        axes.remove()
    labels = list(dict.fromkeys(m.label for m in means))
    for axes, place in zip(panels.flat, places, strict=False):
        for label, colour in zip(labels, COLOURS * len(labels), strict=False):
            own = [m for m in means if (m.subspace, m.scaling, m.label) == (*place, label)]
            eps = [float(m.quantity.split("@")[1]) for m in own]
            axes.plot(eps, [m.mean for m in own], color=colour, marker="o", label=label)
        axes.set_xscale("log")
        _scale(axes, [m.mean for m in means if (m.subspace, m.scaling) == place], decades=0)
        axes.set(title=f"{place[0]}, scaling {place[1]}", xlabel="eps", ylabel="rise (nats)")
    handles, texts = panels[0, 0].get_legend_handles_labels()
    figure.legend(handles, texts, loc="outside lower center", ncols=min(6, len(texts)))
    return figure


@style()
def densities(results: Sequence[Entries], labels: dict[str, str]) -> Figure:
    """Draw the spectral density of the first seed of each kind, one panel a subspace."""
    first: dict[str, Entries] = {}
    for entries in results:
        first.setdefault(name_of(entries), entries)
    measures = next(iter(first.values()))["points"][-1]["measures"]
    places = [(m["subspace"], m["scaling"]) for m in measures if "density" in m]
    figure = Figure(figsize=(PAGE_WIDTH, 2.6 * -(-len(places) // 2) + 0.5))
    figure.suptitle("Spectral density, one seed each, widened by 1 % of the range")
    panels = figure.subplots(-(-len(places) // 2), min(2, len(places)), squeeze=False)
    for axes in panels.flat[len(places) :]:
        axes.remove()
    for axes, place in zip(panels.flat, places, strict=False):
        for (name, entries), colour in zip(first.items(), COLOURS * len(first), strict=False):
            for m in entries["points"][-1]["measures"]:
                if (m["subspace"], m["scaling"]) == place and "density" in m:
                    axes.plot(*_smooth(m["density"]), color=colour, label=labels[name])
        axes.set_yscale("log")
        axes.set(title=f"{place[0]}, scaling {place[1]}", xlabel="eigenvalue", ylabel="density")
        highest = max(float(np.max(np.asarray(line.get_ydata()))) for line in axes.get_lines())
        axes.set_ylim(1e-10 * highest, 3 * highest)
    handles, texts = panels[0, 0].get_legend_handles_labels()
    figure.legend(handles, texts, loc="outside lower center", ncols=min(6, len(texts)))
    return figure


def _smooth(density: Entries) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
    """Return the quadrature as a sum of Gaussians on a grid."""
    nodes, weights = np.concatenate(density["nodes"]), np.concatenate(density["weights"])
    low, high = nodes.min(), nodes.max()
    width = 0.01 * max(high - low, 1e-12)
    grid = np.linspace(low - 5 * width, high + 5 * width, 800)
    bumps = np.exp(-0.5 * ((grid[:, None] - nodes) / width) ** 2) / (width * np.sqrt(2 * np.pi))
    return grid, bumps @ weights / len(density["nodes"])
