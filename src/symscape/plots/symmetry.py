"""The symmetry of every layer against its depth, at the start and at the end of training."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence

import numpy as np
from matplotlib.axes import Axes
from matplotlib.figure import Figure

from symscape.plots.style import (
    BLUE,
    GREY,
    PAGE_WIDTH,
    SMALL,
    VERMILLION,
    short_name,
    style,
    wrap_title,
)

Values = Mapping[str, float]
Band = tuple[float, float, float]  # low, mean and high

_CHARACTER = 0.62 * SMALL / 72  # inches: the mean width of a character of the smallest text
_NAMES = 46  # so many rotated names fit the page width side by side


@style()
def symmetry_by_depth(
    start: Values,
    end: Values,
    band: Band | Mapping[str, Band] | None,
    title: str,
    *,
    layer_start: Values | None = None,
    layer_end: Values | None = None,
) -> Figure:
    """Draw S of every layer's mean kernel against depth and, where given, of its whole tensor.

    Args:
        start: S of each layer's mean kernel before training, in order of depth. NaN is drawn as a
            gap and named in a note.
        end: The same at the end.
        band: Low, mean and high of S for i.i.d. normal kernels (95 % interval), for all layers or
            for each (they differ with the kernel's size); a layer left out has no band.
        title: Of the figure; long ones are wrapped.
        layer_start: S of each layer's whole (out, in, kh, kw) tensor before training.
        layer_end: The same at the end. Without either the second panel is left out.
    """
    whole = (layer_start or {}, layer_end or {})
    layers = list(dict.fromkeys([*start, *end, *whole[0], *whole[1]]))
    panels = 2 if any(whole) else 1
    height = 1.0 + 1.75 * panels + _CHARACTER * max((len(short_name(n)) for n in layers), default=0)
    figure = Figure(figsize=(PAGE_WIDTH, height))
    figure.suptitle(wrap_title(title))
    axes = figure.subplots(panels, 1, sharex=True, squeeze=False)[:, 0]
    _draw_band(axes[0], layers, band)
    _draw_panel(axes[0], layers, start, end, "Mean kernel (signed, over out and in)")
    if panels == 2:
        _draw_panel(axes[1], layers, *whole, "Whole layer tensor")
    _name_layers(axes[-1], layers)
    figure.legend(
        *axes[0].get_legend_handles_labels(), loc="outside lower center", ncols=4, columnspacing=1.4
    )
    return figure


def _draw_band(axes: Axes, layers: Sequence[str], band: Band | Mapping[str, Band] | None) -> None:
    if not band or not layers:
        return
    none = (math.nan, math.nan, math.nan)
    bands = [band.get(name, none) if isinstance(band, Mapping) else band for name in layers]
    low, mean, high = np.array(bands, dtype=float).T
    edges = np.arange(len(layers) + 1) - 0.5
    label = "95 % of i.i.d. normal kernels"
    axes.stairs(high, edges, baseline=low, fill=True, color="0.88", lw=0, label=label)
    axes.stairs(mean, edges, baseline=None, color=GREY, ls="--", lw=1.0, label="their mean")


def _draw_panel(axes: Axes, layers: Sequence[str], start: Values, end: Values, title: str) -> None:
    size = 4.0 if len(layers) <= _NAMES else 2.5
    places = np.arange(len(layers))
    for values, label, colour, face in (
        (start, "start", VERMILLION, "white"),
        (end, "end", BLUE, BLUE),
    ):
        heights = np.array([values.get(name, math.nan) for name in layers], dtype=float)
        (line,) = axes.plot(places, heights, "o-", color=colour, lw=0.9, label=label)
        line.set(markersize=size, markerfacecolor=face, clip_on=False)
    axes.set_title(title)
    axes.set_ylabel("symmetry S (1 = exact)")
    axes.set_ylim(0.0, 1.05)
    axes.set_yticks([0.0, 0.2, 0.4, 0.6, 0.8, 1.0])
    _note_gaps(axes, start, end)


def _note_gaps(axes: Axes, start: Values, end: Values) -> None:
    """Name the layers without a value; no S is below 0.24, so the foot of the panel is free."""
    lost = list(dict.fromkeys(n for v in (start, end) for n, s in v.items() if math.isnan(s)))
    if not lost:
        return
    names = ", ".join(short_name(name) for name in lost[:2])
    more = f" and {len(lost) - 2} more" if len(lost) > 2 else ""
    text = f"gap: S undefined (NaN) in {names}{more}"
    axes.text(0.01, 0.04, text, transform=axes.transAxes, color=VERMILLION, fontsize=SMALL)


def _name_layers(axes: Axes, layers: Sequence[str]) -> None:
    step = max(1, math.ceil(len(layers) / _NAMES))
    places = range(0, len(layers), step)
    names = [short_name(layers[place]) for place in places]
    level = len(names) * (max(map(len, names), default=0) + 2) * _CHARACTER < 0.85 * PAGE_WIDTH
    axes.set_xticks(list(places), names, rotation=0 if level else 90, fontsize=SMALL)
    axes.set_xlim(-0.5, max(len(layers), 1) - 0.5)
    which = "" if step == 1 else f", one name in {step} shown"
    axes.set_xlabel(f"convolution, in order of depth{which}")
