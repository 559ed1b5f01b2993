"""Pictures of curvature: by symmetry, as a density, against eps, and along training."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from numpy.typing import NDArray

from symscape.plots.read.runs import read_result
from symscape.plots.read.sharpness import Mean, Single, read_means, read_singles
from symscape.plots.style import COLOURS, GREY, PAGE_WIDTH, save, style

Entries = dict[str, Any]


def draw_sharpness(folder: Path, results_of_runs: Sequence[Path]) -> list[Path]:
    """Draw what a folder of settings holds: its two tables and the results of single runs.

    Args:
        folder: of the settings; `pictures/` goes there.
        results_of_runs: the JSON files of the runs.

    Returns:
        The PNG files written, below `pictures/`.
    """
    means = read_means(folder / "summary.csv")
    results = [read_result(path, ("run", "points")) for path in results_of_runs]
    labels = {m.name: m.label for m in means}
    figures: dict[str, Figure] = {}
    if any(m.step >= 0 for m in means):
        figures["training"] = along_training(results, labels)
    else:
        wanted = [m for m in means if m.quantity in ("eigenvalue_1", "trace")]
        if wanted:
            figures["sharpness"] = by_kind(wanted, read_singles(folder / "sharpness.csv"))
        if ascents := [m for m in means if m.quantity.startswith("random_ascent_mean@")]:
            figures["ascent"] = against_epsilon(ascents)
        if _measured(results, "density"):
            figures["density"] = densities(results, labels)
    pictures = folder / "pictures"
    return [p for name, figure in figures.items() for p in save(figure, pictures / f"{name}.png")]


def _measured(results: Sequence[Entries], quantity: str) -> bool:
    return any(quantity in m for r in results for m in r["points"][-1]["measures"])


@style()
def by_kind(means: Sequence[Mean], singles: Sequence[Single] = ()) -> Figure:
    """Draw largest eigenvalue and trace of every kind of run, subspaces side by side.

    Small grey dots are single runs. An open marker says that some eigenvalue behind the mean did
    not converge.
    """
    quantities = list(dict.fromkeys(m.quantity for m in means))
    scalings = list(dict.fromkeys(m.scaling for m in means))
    labels = list(dict.fromkeys(m.label for m in means))
    subspaces = list(dict.fromkeys(m.subspace for m in means))
    shape = (len(quantities), len(scalings))
    figure = Figure(figsize=(PAGE_WIDTH, 2.6 * shape[0] + 0.5))
    figure.suptitle("Curvature by symmetry: mean over seeds, 95 % interval; each seed in grey")
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
        first.setdefault(entries["run"]["name"], entries)
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


@style()
def along_training(results: Sequence[Entries], labels: dict[str, str]) -> Figure:
    """Draw the largest eigenvalue beside 2 / learning rate, and the trace, along training.

    Gradient descent on a quadratic diverges where the eigenvalue exceeds 2 / learning rate.
    """
    figure = Figure(figsize=(PAGE_WIDTH, 3.2))
    figure.suptitle("Curvature along training")
    top, trace = figure.subplots(1, 2)
    shown: set[str] = set()
    kinds = list(dict.fromkeys(entries["run"]["name"] for entries in results))
    for entries in results:
        name = entries["run"]["name"]
        colour = COLOURS[kinds.index(name) % len(COLOURS)]
        label = None if name in shown else labels[name]
        shown.add(name)
        steps = [point["step"] for point in entries["points"]]
        for axes, values in ((top, _tops(entries)), (trace, _traces(entries))):
            axes.plot(steps, values, color=colour, label=label, marker=".", linewidth=0.8)
    points = results[0]["points"]
    limits = [2 / p["learning_rate"] if p["learning_rate"] else np.nan for p in points]
    top.plot([p["step"] for p in points], limits, color=GREY, linestyle="--", label="2 / lr")
    for axes, title in ((top, "largest eigenvalue"), (trace, "trace")):
        axes.set(title=title, xlabel="optimiser step")
        axes.set_xscale("symlog")
    top.set_yscale("symlog")
    handles, texts = top.get_legend_handles_labels()
    figure.legend(handles, texts, loc="outside lower center", ncols=min(6, len(texts)))
    return figure


def _tops(entries: Entries) -> list[float]:
    found = [p["measures"][0].get("eigenvalues") for p in entries["points"]]
    return [each["values"][0] if each else np.nan for each in found]


def _traces(entries: Entries) -> list[float]:
    found = [p["measures"][0].get("trace") for p in entries["points"]]
    return [each["value"] if each else np.nan for each in found]
