"""Which layers sample their map unevenly, at the size of the images and at sizes near it."""

from __future__ import annotations

from collections.abc import Mapping
from itertools import pairwise
from typing import Any

import numpy as np
from matplotlib.axes import Axes
from matplotlib.colors import BoundaryNorm
from matplotlib.figure import Figure

from symscape.plots.canvas import MINUS, SIGNED
from symscape.plots.style import PAGE_WIDTH, SMALL, short_name, style

BOUNDS = np.arange(-2.5, 3.0)
GAP = "   (hatched: sizes in between, not measured)"


@style()
def offsets_by_size(networks: Mapping[str, dict[str, Any]]) -> Figure:
    """Draw the offset of every site that is uneven at some size: a panel a network.

    White is even. Blue: the grid of windows lies up and left of the middle; red: down and right.
    A frame stands around the size of the images; hatched: sizes in between are not measured, as
    the label of the axis says. Sites that are even at all sizes are left out.
    """
    panels = {label: _table(r["padding"]) for label, r in networks.items() if r["padding"]}
    rows = [max(len(names), 1) for names, _, _, _ in panels.values()]
    figure = Figure(figsize=(PAGE_WIDTH, 1.1 + sum(0.55 + 0.17 * n for n in rows)))
    figure.suptitle("Where padding is consumed unevenly: offset of each grid of windows, by size")
    axes = figure.subplots(len(panels), 1, squeeze=False, height_ratios=[n + 3 for n in rows])[:, 0]
    for place, (label, table) in zip(axes, panels.items(), strict=True):
        _panel(place, label, *table)
    _scale(figure, list(axes))
    return figure


Numbers = np.ndarray[Any, np.dtype[np.float64]]
Table = tuple[list[str], list[int | None], Numbers, int]


def _table(padding: Mapping[str, Any]) -> Table:
    """Return names of sites, sizes, offsets (sites, sizes) of rows, and the images' size.

    A size of None, with offsets that are NaN, stands between sizes that are no neighbours.
    """
    own = int(padding["input_size"][0])
    near = {int(n): each for n, each in padding["near"].items()}
    near[own] = [site["offset"][0] for site in padding["sites"]]
    whole = {n: each for n, each in near.items() if len(each) == len(near[own])}
    sizes = sorted(whole)
    offsets = np.array([whole[n] for n in sizes], dtype=float).T.reshape(-1, len(sizes))
    uneven = [i for i, row in enumerate(offsets) if row.any()]
    names = [f"{short_name(s['layer'], 30)} {_kind(s)}" for s in padding["sites"]]
    jumps = [i + 1 for i, (n, after) in enumerate(pairwise(sizes)) if after > n + 1]
    shown: list[int | None] = list(sizes)
    for jump in reversed(jumps):
        shown.insert(jump, None)
    return [names[i] for i in uneven], shown, np.insert(offsets[uneven], jumps, np.nan, 1), own


def _kind(site: Mapping[str, Any]) -> str:
    kernel = "x".join(map(str, site["kernel"]))
    return f"({site['op']} {kernel} / {max(site['stride'])})"


def _panel(
    axes: Axes, label: str, names: list[str], sizes: list[int | None], offsets: Any, own: int
) -> None:
    axes.set_title(label if names else f"{label}: even at all of these sizes")
    axes.grid(False)
    axes.set_xticks(range(len(sizes)), [str(n or "…") for n in sizes], fontsize=SMALL)
    gaps = [place for place, size in enumerate(sizes) if size is None]
    axes.set_xlabel(f"rows of the image, px{GAP if gaps else ''}")
    for gap in gaps:
        axes.axvspan(gap - 0.5, gap + 0.5, fc="white", ec="0.7", hatch="////", lw=0, zorder=3)
    axes.set_yticks(range(len(names)), names, fontsize=SMALL)
    axes.set_xlim(-0.5, len(sizes) - 0.5)
    axes.set_ylim(max(len(names), 1) - 0.5, -0.5)
    if names:
        norm = BoundaryNorm(BOUNDS, SIGNED.N)
        axes.imshow(offsets, cmap=SIGNED, norm=norm, aspect="auto", interpolation="none")
    at = sizes.index(own)
    edges = (at - 0.5, at + 0.5)
    axes.vlines(edges, -0.5, max(len(names), 1) - 0.5, color="black", lw=1.2)


def _scale(figure: Figure, axes: list[Axes]) -> None:
    from matplotlib.cm import ScalarMappable

    scale = ScalarMappable(BoundaryNorm(BOUNDS, SIGNED.N), SIGNED)
    bar = figure.colorbar(scale, ax=axes, orientation="horizontal", aspect=40, shrink=0.9, pad=0.02)
    words = [f"{MINUS}2", f"{MINUS}1: up, left", "0: even", "1: down, right", "2"]
    bar.set_ticks([-2, -1, 0, 1, 2], labels=words)
    bar.set_label("offset, in half cells of the map")
