"""How symmetric the mean kernel of every layer is, beside what chance makes of it."""

from __future__ import annotations

import math
from collections.abc import Iterable, Mapping, Sequence
from typing import Any

import numpy as np
from matplotlib.artist import Artist
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.lines import Line2D
from numpy.typing import NDArray

from symscape.plots.style import BLUE, GREY, ORANGE, PAGE_WIDTH, SMALL, short_name, style

Result = dict[str, Any]
Kinds = dict[str, list[Result]]
"""Results of networks that differ by their seed alone, by what to call them."""
Numbers = NDArray[np.float64]

NAMES = 40
"""So many names of layers fit below a panel."""


@style()
def profile(kinds: Mapping[str, Sequence[Result]]) -> Figure:
    """Draw S and its twin against depth: a panel a kind, means over its networks.

    Grey: 95 % of kernels of independent normal taps, from 0 up, since p asks how often chance makes
    them more symmetric; none where the mean kernels are symmetric by construction. Hollow: the
    filters of the layer have no common kernel, so its S is chance. Star: the layer leaves pixels
    out.
    """
    names = [[e["layer"] for e in r[0]["kernels"]["final"]] for r in kinds.values()]
    # Panels of the same layers share the names below the last of them.
    named = [own != below for own, below in zip(names, [*names[1:], []], strict=True)]
    longest = max((len(short_name(name)) for each in names for name in each), default=0)
    foot = 0.07 * longest * sum(named)
    figure = Figure(figsize=(PAGE_WIDTH, 0.9 + 1.6 * len(kinds) + foot))
    figure.suptitle("Symmetry of mean kernels under flips and turns (1: exact)")
    axes = figure.subplots(len(kinds), 1, squeeze=False)[:, 0]
    for place, (label, results), names_here in zip(axes, kinds.items(), named, strict=True):
        _panel(place, results, names_here)
        place.set_title(_title(label, results))
    figure.legend(handles=_key(axes), loc="outside lower center", ncols=3)
    return figure


def _title(label: str, results: Sequence[Result]) -> str:
    count = f", n = {len(results)}" if len(results) > 1 else ""
    tied = results[0]["about"].get("tied")
    said = f"; by construction: {', '.join(tied)}" if tied else ""
    return f"{label}{count}{said}"


def _key(panels: Iterable[Axes]) -> list[Artist]:
    """Return what the legend explains: the lines, and the two kinds of marks."""
    # Panels without a band have fewer.
    lines = max((axes.get_legend_handles_labels()[0] for axes in panels), key=len)
    hollow = Line2D([], [], ls="", marker="o", mfc="white", color=BLUE)
    hollow.set_label("hollow: they share none")
    star = Line2D([], [], ls="", marker="*", ms=8.0, color=BLUE, label="star: leaves pixels out")
    full = Line2D([], [], ls="", marker="o", color=BLUE, label="full: the filters share a kernel")
    return [*lines, full, hollow, star]


def _panel(axes: Axes, results: Sequence[Result], named: bool) -> None:
    networks = [r["kernels"]["final"] for r in results]
    first = networks[0]
    places = np.arange(len(first))
    if not results[0]["about"].get("tied"):
        _band(axes, first)
    score, twin = (_means(networks, key) for key in ("score", "twin"))
    axes.plot(places, twin, "-", color=ORANGE, lw=0.9, label="its shape (mean taken off)")
    axes.plot(places, score, "-", color=BLUE, lw=0.9, label="S of the mean kernel")
    common = np.array([_common(networks, i) for i in range(len(first))])
    strided = np.array([max(layer["stride"]) > 1 for layer in first])
    for is_strided, marker, size in ((False, "o", 4.0), (True, "*", 8.0)):
        for is_common, face in ((True, BLUE), (False, "white")):
            # Marks that are off are NaN: lines without any point upset the layout.
            here = np.where((strided == is_strided) & (common == is_common), score, math.nan)
            if np.isfinite(here).any():
                axes.plot(places, here, marker, ms=size, mfc=face, color=BLUE, clip_on=False)
    axes.set_ylim(0, 1.05)
    axes.set_ylabel("S")
    step = max(1, math.ceil(len(first) / NAMES))
    names = [short_name(layer["layer"]) if named else "" for layer in first[::step]]
    axes.set_xticks(places[::step], names, rotation=90, fontsize=SMALL)
    axes.set_xlim(-0.5, max(len(first), 1) - 0.5)


def _band(axes: Axes, layers: Sequence[Result]) -> None:
    edges = np.arange(len(layers) + 1) - 0.5
    nulls = [each["null"] for each in layers]
    # Results of earlier versions know the quantiles of a band with two sides alone.
    key, share = ("top", "95 %") if all("top" in null for null in nulls) else ("high", "97.5 %")
    top, mean = (np.array([null[k] for null in nulls]) for k in (key, "mean"))
    said = f"{share} by chance: up to here"
    axes.stairs(top, edges, baseline=0.0, fill=True, color="0.88", lw=0, label=said)
    axes.stairs(mean, edges, baseline=None, color=GREY, ls="--", lw=1.0, label="mean by chance")


def _means(networks: Sequence[Sequence[Result]], key: str) -> Numbers:
    """Return the mean of a number over networks, layer by layer; NaN where none has it."""
    values = [[math.nan if v[key] is None else v[key] for v in layers] for layers in networks]
    table = np.array(values, dtype=float)
    known = np.isfinite(table)
    sums = np.where(known, table, 0.0).sum(0)
    return np.where(known.any(0), sums / np.maximum(known.sum(0), 1), math.nan)


def _common(networks: Sequence[Sequence[Result]], layer: int) -> bool:
    """Whether the filters of a layer have a common kernel in most of the networks."""
    chances = [layers[layer]["strength_p"] for layers in networks]
    return sum(bool(p is not None and p <= 0.05) for p in chances) > len(chances) / 2
