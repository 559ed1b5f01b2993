"""Lines with their intervals, a line a kind of runs, and points of kinds side by side."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import Any

from plotly import graph_objects as go

from symscape.plots.page.look import colour_of, dash_of, layout, rounded, shade
from symscape.plots.page.parts import Picture, Source
from symscape.plots.style import axis_range

DECADES = 30.0
"""Largest over smallest value from which an axis is logarithmic."""
UNDER = "%{customdata}<extra></extra>"
"""What the pointer shows below a value: its interval and n."""


@dataclass(frozen=True)
class Series:
    """The means of a kind of runs along x, with their intervals (NaN: none) and n."""

    kind: str
    index: int
    """The kind's place, which gives its colour."""
    x: Sequence[float]
    mean: Sequence[float]
    low: Sequence[float]
    high: Sequence[float]
    n: Sequence[int]
    name: str = ""
    """What tells it from other series of its kind; its lines are thin."""
    about: Sequence[str] = ()
    """What the pointer shows, if the intervals drawn are not the whole ones."""

    @property
    def under(self) -> list[str]:
        """The interval and n of each mean, in words."""
        each = zip(self.low, self.high, self.n, strict=True)
        return list(self.about) or [_about(*one) for one in each]


@dataclass(frozen=True)
class Axes:
    """What stands at the axes."""

    x: str
    y: str
    magnitude: bool = True
    """Logarithmic where the values span decades."""
    log_x: bool = False
    down: bool = False
    """x falls from left to right."""
    whole: bool = False
    """x counts: whole numbers stand at the axis."""


def lines(title: str, series: Sequence[Series], axes: Axes, source: Source, **more: Any) -> Picture:
    """Return a picture of lines; a band is the 95 % interval."""
    log = ["y"] if axes.magnitude and _spans([v for s in series for v in s.mean]) else []
    traces = [trace for each in (_cut(series) if log else series) for trace in _line(each)]
    drawn = layout(axes.x, axes.y, log=[*log, *(["x"] if axes.log_x else [])])
    if axes.down:
        drawn["xaxis"]["autorange"] = "reversed"
    if axes.whole and (places := [x for s in series for x in s.x]):
        drawn["xaxis"]["dtick"] = max(1, round((max(places) - min(places)) / 8))
    if not log:
        ends = [v for s in series for v in (*s.low, *s.high)]
        drawn["yaxis"]["range"] = axis_range([v for s in series for v in s.mean], ends)
    return Picture(title, *figure(traces, drawn), source, **more)


def figure(
    traces: Sequence[Any], drawn: dict[str, Any]
) -> tuple[list[dict[str, Any]], dict[str, Any]]:
    """Return traces and layout, checked by plotly, as plain trees."""
    made = go.Figure(data=list(traces), layout={**drawn, "template": None})
    tree = made.to_plotly_json()
    return list(tree["data"]), dict(tree["layout"])


def _cut(series: Sequence[Series]) -> list[Series]:
    """Return series whose intervals fit a logarithmic axis: as far again as the means at most."""
    means = [v for s in series for v in s.mean if v > 0]
    low, high = min(means), max(means)
    floor, roof = low / math.sqrt(high / low), high * math.sqrt(high / low)
    return [
        replace(
            each,
            low=[max(v, floor) if v == v else v for v in each.low],
            high=[min(v, roof) if v == v else v for v in each.high],
            about=each.under,
        )
        for each in series
    ]


def _spans(values: Sequence[float]) -> bool:
    finite = [value for value in values if value == value]
    return bool(finite) and min(finite) > 0 and max(finite) > DECADES * min(finite)


def _line(series: Series) -> list[Any]:
    colour = colour_of(series.index)
    known = [(x, a, b) for x, a, b in zip(series.x, series.low, series.high, strict=True) if a == a]
    traces = []
    if len(known) > 1:
        x, low, high = zip(*known, strict=True)
        traces.append(
            go.Scatter(
                x=[*rounded(x), *rounded(x[::-1])],
                y=[*rounded(high), *rounded(low[::-1])],
                fill="toself",
                fillcolor=shade(colour),
                line={"width": 0},
                hoverinfo="skip",
                mode="lines",
                meta=series.kind,
            )
        )
    name = f"{series.kind} {series.name}".strip()
    traces.append(
        go.Scatter(
            x=rounded(series.x),
            y=rounded(series.mean),
            name=name,
            meta=series.kind,
            mode="lines" if len(series.x) > 1 else "markers",
            line={
                "color": colour,
                "dash": dash_of(series.index),
                "width": 1 if series.name else 2,
            },
            customdata=series.under,
            hovertemplate=f"<b>{name}</b><br>%{{x:.4g}}: %{{y:.4g}}<br>{UNDER}",
        )
    )
    return traces


def _about(low: float, high: float, n: int) -> str:
    return f"n = {n}" if low != low else f"[{low:.4g}, {high:.4g}], n = {n}"


@dataclass(frozen=True)
class Points:
    """The numbers of a kind's runs, with what to say of each, and their mean with its interval."""

    kind: str
    index: int
    values: Sequence[float]
    about: Sequence[str]
    mean: float
    low: float
    high: float


def points(title: str, kinds: Sequence[Points], y: str, source: Source, **more: Any) -> Picture:
    """Return a picture of kinds side by side: a point a run, and the mean with its interval."""
    traces = [trace for each in kinds for trace in _points(each)]
    every = [value for each in kinds for value in each.values]
    log = ["y"] if _spans(every) else []
    drawn = layout("", y, log=log)
    if not log:
        bars = [v for each in kinds for v in (each.low, each.high)]
        drawn["yaxis"]["range"] = axis_range(every, bars)
    drawn["xaxis"] |= {"type": "category", "categoryarray": [each.kind for each in kinds]}
    return Picture(title, *figure(traces, drawn), source, **more)


def _points(each: Points) -> list[Any]:
    colour = colour_of(each.index)
    runs = go.Scatter(
        x=[each.kind] * len(each.values),
        y=rounded(each.values),
        mode="markers",
        marker={"color": shade(colour, 0.5), "size": 6},
        meta=each.kind,
        customdata=list(each.about),
        hovertemplate=f"{each.kind}, %{{customdata}}: %{{y:.4g}}<extra></extra>",
    )
    known = each.low == each.low
    mean = go.Scatter(
        x=[each.kind],
        y=rounded([each.mean]),
        mode="markers",
        marker={"color": colour, "size": 10, "symbol": "diamond"},
        error_y={
            "type": "data",
            "symmetric": False,
            "array": rounded([each.high - each.mean]) if known else [0],
            "arrayminus": rounded([each.mean - each.low]) if known else [0],
            "color": colour,
        },
        meta=each.kind,
        customdata=[_about(each.low, each.high, len(each.values))],
        hovertemplate=f"<b>{each.kind}</b>, mean: %{{y:.4g}}<br>{UNDER}",
    )
    return [runs, mean]
