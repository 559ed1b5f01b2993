"""The barrier between every two kinds of runs as a matrix, with the curves behind each cell."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from plotly import graph_objects as go

from symscape.plots.page.lines import Axes, Series, figure, lines
from symscape.plots.page.look import layout
from symscape.plots.page.parts import Picture, Source
from symscape.plots.read.barriers import CurvePoint, MeanBarrier

MOST_CELLS = 400
"""With curves behind them: more would make the page too large."""
MOST_CHOICES = 20_000
"""Cells that all choices of the menu have together; of more, the menu has the loss above the chord
alone, for the same reason."""
MOST_NUMBERED = 12
"""Up to so many kinds, a number fits each cell."""
METRICS = {"loss": "loss (nats)", "error": "error"}


def matrix(
    title: str,
    means: Sequence[MeanBarrier],
    curves: Sequence[CurvePoint],
    order: Sequence[str],
    source: Source,
) -> Picture:
    """Return the matrix of one folder of settings; a menu chooses split, metric and definition.

    Args:
        title: of the picture.
        means: of all pairs of kinds.
        curves: the points of their curves.
        order: the kinds, as `means` and `curves` name them.
        source: of the numbers.
    """
    names = list(dict.fromkeys(map(_name, means)))
    if len(names) * len(order) ** 2 > MOST_CHOICES:
        names = [name for name in names if name[:2] == ("loss", "chord")] or names[:1]
    grids = {name: _grid([m for m in means if _name(m) == name], order) for name in names}
    first = next((n for n in names if n[:2] == ("loss", "chord")), names[0])
    values, texts = grids[first]
    trace = go.Heatmap(
        x=list(order),
        y=list(order),
        z=values,
        text=texts,
        texttemplate="%{z:.2f}" if len(order) <= MOST_NUMBERED else "",
        hovertemplate="%{text}<extra></extra>",
        colorscale="Cividis",
        colorbar={"thickness": 12, "outlinewidth": 0},
        hoverongaps=False,
    )
    drawn = layout("", "", updatemenus=[_menu(grids, first)])
    drawn["margin"]["t"] = 48
    for axis in ("xaxis", "yaxis"):
        drawn[axis] |= {"type": "category", "showgrid": False}
    drawn["yaxis"]["autorange"] = "reversed"
    cells = {(c.a, c.b) for c in curves}
    behind = _behind(curves, source) if len(cells) <= MOST_CELLS else {}
    said = "Choose a cell to see the curves behind it." if behind else ""
    return Picture(title, *figure([trace], drawn), source, said, behind, wide=True)


Name = tuple[str, str, str]
"""Metric, definition and split."""


def _name(mean: MeanBarrier) -> Name:
    return mean.metric, mean.definition, mean.split


Grid = tuple[list[list[float | None]], list[list[str]]]


def _grid(means: Sequence[MeanBarrier], order: Sequence[str]) -> Grid:
    of: Mapping[tuple[str, str], MeanBarrier]
    of = {(m.a, m.b): m for m in means} | {(m.b, m.a): m for m in means}
    rows = [[of.get((b, a)) for a in order] for b in order]
    values = [[None if m is None else float(f"{m.mean:.5g}") for m in row] for row in rows]
    texts = [["" if m is None else _about(m) for m in row] for row in rows]
    return values, texts


def _about(mean: MeanBarrier) -> str:
    interval = "" if mean.low != mean.low else f" [{mean.low:.4g}, {mean.high:.4g}]"
    return f"{mean.a} to {mean.b}<br>{mean.mean:.4g}{interval}<br>n = {mean.count} pairs"


def _menu(
    grids: Mapping[tuple[str, str, str], Grid], first: tuple[str, str, str]
) -> dict[str, Any]:
    buttons = [
        {
            "label": f"{metric}, {definition}, {split}",
            "method": "restyle",
            "args": [{"z": [values], "text": [texts]}],
        }
        for (metric, definition, split), (values, texts) in grids.items()
    ]
    return {
        "buttons": buttons,
        "active": list(grids).index(first),
        "x": 0,
        "xanchor": "left",
        "y": 1.02,
        "yanchor": "bottom",
        "pad": {"b": 4},
    }


def _behind(curves: Sequence[CurvePoint], source: Source) -> dict[str, Any]:
    """Return a figure for each cell: the mean loss along the line, by split and kind of path."""
    several = len({each.path for each in curves}) > 1
    points: dict[tuple[str, str], dict[str, list[CurvePoint]]] = {}
    for each in curves:
        if each.metric == "loss":
            name = f"{each.split}, {each.path}" if several else each.split
            points.setdefault((each.a, each.b), {}).setdefault(name, []).append(each)
    return {f"{a}|{b}": _curve(a, b, splits, source) for (a, b), splits in points.items()}


def _curve(
    a: str, b: str, splits: Mapping[str, Sequence[CurvePoint]], source: Source
) -> dict[str, Any]:
    series = [
        Series(
            kind=split,
            index=i,
            x=[p.alpha for p in points],
            mean=[p.mean for p in points],
            low=[p.low for p in points],
            high=[p.high for p in points],
            n=[p.count for p in points],
        )
        for i, (split, points) in enumerate(splits.items())
    ]
    axes = Axes(f"alpha: 0 is {a}, 1 is {b}", METRICS["loss"], magnitude=False)
    drawn = lines("", series, axes, source)
    layout_of = drawn.layout | {"showlegend": True, "legend": {"orientation": "h", "y": 1.15}}
    # They are of splits, which no switch of kinds is for.
    data = [{**trace, "meta": None, "showlegend": "name" in trace} for trace in drawn.data]
    return {"data": data, "layout": layout_of}
