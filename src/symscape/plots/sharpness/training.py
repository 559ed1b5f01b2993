"""Curvature along training: against the step, and against the train loss."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np
from matplotlib.axes import Axes
from matplotlib.figure import Figure

from symscape.plots.read.runs import name_of
from symscape.plots.read.sharpness import AtLoss
from symscape.plots.style import COLOURS, GREY, PAGE_WIDTH, style

Entries = dict[str, Any]
TITLES = {"eigenvalue_1": "largest eigenvalue", "trace": "trace", "symmetry": "S of the kernels"}
WIDE = 2
"""Panels side by side."""


@style()
def along_training(results: Sequence[Entries], labels: dict[str, str]) -> Figure:
    """Draw the largest eigenvalue beside 2 / learning rate, and the trace, along training.

    Gradient descent on a quadratic diverges where the eigenvalue exceeds 2 / learning rate.
    """
    figure = Figure(figsize=(PAGE_WIDTH, 3.2))
    figure.suptitle("Curvature along training")
    top, trace = figure.subplots(1, 2)
    shown: set[str] = set()
    kinds = list(dict.fromkeys(name_of(entries) for entries in results))
    for entries in results:
        name = name_of(entries)
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


@style()
def against_loss(rows: Sequence[AtLoss]) -> Figure:
    """Draw each quantity of each kind against the train loss, which falls to the right.

    Bars are 95 % intervals over seeds. The learning rate is not the same everywhere.
    """
    rows = [row for row in rows if row.quantity in TITLES]
    places = list(dict.fromkeys((r.quantity, r.subspace, r.scaling) for r in rows))
    labels = list(dict.fromkeys(row.label for row in rows))
    lines = -(-len(places) // WIDE)
    figure = Figure(figsize=(PAGE_WIDTH, 2.3 * lines + 0.6))
    figure.suptitle("At equal train loss: mean over seeds, 95 % interval; training goes right")
    panels = figure.subplots(lines, min(WIDE, len(places)), squeeze=False)
    for axes in panels.flat[len(places) :]:
        axes.remove()
    for axes, place in zip(panels.flat, places, strict=False):
        for i, label in enumerate(labels):
            own = [
                r for r in rows if (r.quantity, r.subspace, r.scaling, r.label) == (*place, label)
            ]
            _draw(axes, own, label, COLOURS[i % len(COLOURS)], "-" if i < len(COLOURS) else "--")
        where = "" if place[0] == "symmetry" else f", {place[1]}, scaling {place[2]}"
        axes.set(title=f"{TITLES[place[0]]}{where}", xlabel="train loss (nats)")
        axes.invert_xaxis()
    handles, texts = panels[0, 0].get_legend_handles_labels()
    figure.legend(handles, texts, loc="outside lower center", ncols=min(4, len(texts)))
    return figure


def _draw(axes: Axes, rows: Sequence[AtLoss], label: str, colour: str, line: str) -> None:
    losses = [row.loss for row in rows]
    means = np.array([row.mean for row in rows])
    # Where one run is all there is there is no interval, and no bar.
    below, above = means - [row.low for row in rows], [row.high for row in rows] - means
    errors = np.nan_to_num(np.maximum([below, above], 0.0))
    axes.errorbar(
        losses, means, errors, color=colour, linestyle=line, marker=".", linewidth=1.0, label=label
    )
