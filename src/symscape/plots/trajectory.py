"""Paths of training: the loss on the line from start to end, and on the plane of the path."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np
from matplotlib.axes import Axes
from matplotlib.colors import LogNorm
from matplotlib.figure import Figure

from symscape.plots.read.runs import read_result
from symscape.plots.style import COLOURS, PAGE_WIDTH, save, style, wrap_title

Entries = dict[str, Any]
NEEDED = ("run", "alphas", "curves", "path")


def draw_trajectories(results_of_runs: Sequence[Path], folder: Path) -> list[Path]:
    """Draw every trajectory, and all of them together.

    Args:
        results_of_runs: the JSON files of the runs.
        folder: where `pictures/` goes.

    Returns:
        The PNG files written, below `pictures/`.
    """
    results = {path: read_result(path, NEEDED) for path in results_of_runs}
    pictures = folder / "pictures"
    paths = save(together(list(results.values())), pictures / "lines.png")
    for path, entries in results.items():
        paths += save(trajectory(entries), pictures / f"{path.stem}.png")
    return paths


@style()
def trajectory(entries: Entries) -> Figure:
    """Draw one run: the loss on the line from its start to its end, and on the path's plane."""
    run = entries["run"]
    figure = Figure(figsize=(PAGE_WIDTH, 3.3))
    figure.suptitle(wrap_title(f"{run['name']}, seed {run['seed']}: path of the training"))
    if entries.get("plane"):
        line, plane = figure.subplots(1, 2, width_ratios=(1.0, 1.2))
        _draw_plane(figure, plane, entries)
    else:
        line = figure.subplots()
    _draw_line(line, entries)
    return figure


def _draw_line(axes: Axes, entries: Entries) -> None:
    for (split, metrics), colour in zip(entries["curves"].items(), COLOURS, strict=False):
        rise = entries["rise"][split]["loss"]
        label = f"{split}, " + (f"rises by {rise:.3g}" if rise else "monotone")
        axes.plot(entries["alphas"], metrics["loss"], color=colour, label=label, marker="o")
    axes.set_title("Straight line")
    axes.set_xlabel("alpha: 0 is the initial network, 1 the final one")
    axes.set_ylabel("loss (nats)")
    axes.legend(loc="best")


def _draw_plane(figure: Figure, axes: Axes, entries: Entries) -> None:
    grid = entries["plane"]
    loss = np.array(grid["loss"], dtype=float)
    masked = np.ma.masked_invalid(loss)
    levels = np.geomspace(masked.min(), masked.max(), 16) if masked.min() > 0 else 16
    norm = LogNorm() if masked.min() > 0 else None
    filled = axes.contourf(grid["x"], grid["y"], masked, levels=levels, norm=norm, cmap="cividis")
    bar = figure.colorbar(filled, ax=axes, format="%.3g")
    bar.set_label("train loss (nats)")
    path = np.array(entries["path"]["coordinates"])
    axes.plot(path[:, 0], path[:, 1], color="white", marker=".", linewidth=1.0)
    for point, text in ((path[0], "start"), (path[-1], "end")):
        axes.annotate(text, point, color="white", textcoords="offset points", xytext=(4, 4))
    shares = [f"{share:.0%}" if share is not None else "-" for share in entries["path"]["shares"]]
    axes.set_title("Plane of the two leading components")
    axes.set_xlabel(f"component 1 ({shares[0]} of the variance)")
    axes.set_ylabel(f"component 2 ({shares[1]})")
    axes.grid(visible=False)


@style()
def together(results: Sequence[Entries]) -> Figure:
    """Draw all runs: train loss on the line and distance from the start, a colour a kind.

    Runs of one kind are thin lines, their mean a thick one.
    """
    figure = Figure(figsize=(PAGE_WIDTH, 3.0))
    figure.suptitle("Path of the training, all runs")
    line, distance = figure.subplots(1, 2)
    kinds: dict[str, list[Entries]] = defaultdict(list)
    for entries in results:
        kinds[entries["run"]["name"]].append(entries)
    brief = [f"{m[0]['run']['symmetry']} {m[0]['run']['augment']}" for m in kinds.values()]
    labels = brief if len(set(brief)) == len(brief) else list(kinds)
    rows = zip(labels, kinds.values(), COLOURS * len(kinds), strict=False)
    for label, members, colour in rows:
        _draw_kind(line, members, "loss", label, colour)
        _draw_kind(distance, members, "distance", label, colour)
    line.set(xlabel="alpha: 0 initial, 1 final", ylabel="train loss (nats)")
    distance.set(xlabel="optimiser step", ylabel="distance from the start")
    distance.set_xscale("symlog")
    figure.legend(*line.get_legend_handles_labels(), loc="outside lower center", ncols=4)
    return figure


def _draw_kind(axes: Axes, members: Sequence[Entries], what: str, label: str, colour: str) -> None:
    def of(entries: Entries) -> tuple[list[float], list[float]]:
        if what == "loss":
            return entries["alphas"], entries["curves"]["train"]["loss"]
        return entries["steps"], entries["path"]["distance"]

    for entries in members:
        axes.plot(*of(entries), color=colour, linewidth=0.5, alpha=0.5)
    at = {tuple(of(entries)[0]) for entries in members}
    if len(at) == 1:
        mean = np.mean([of(entries)[1] for entries in members], axis=0)
        axes.plot(of(members[0])[0], mean, color=colour, label=f"{label} (n={len(members)})")
