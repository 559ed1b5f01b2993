"""What mitigations would change of a network, before and after; none is trained again."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.ticker import MaxNLocator

from symscape.plots.audit.profile import Result
from symscape.plots.style import BLUE, GREY, PAGE_WIDTH, VERMILLION, style

QUANTITIES = ("uneven sites", "defect", "same: hflip", "same: rot90", "same: shift", "right")


@style()
def before_after(kinds: Mapping[str, Sequence[Result]]) -> Figure:
    """Draw each mitigation as a line from the network as it is to the one that it makes.

    A row a kind, a column a quantity; means over the kind's networks.
    """
    there = [q for q in QUANTITIES if _has(kinds, q)]
    most = max(len({m for r in results for m in r["mitigations"]}) for results in kinds.values())
    figure = Figure(figsize=(PAGE_WIDTH, 1.0 + (1.0 + 0.2 * most) * len(kinds)))
    figure.suptitle("Mitigations, before and after; the networks are not retrained")
    axes = figure.subplots(len(kinds), len(there), squeeze=False)
    for row, (label, results) in zip(axes, kinds.items(), strict=True):
        names = list(dict.fromkeys(m for r in results for m in r["mitigations"]))
        for place, quantity in zip(row, there, strict=True):
            _panel(place, results, names, quantity)
            place.set_title(quantity)
        row[0].set_yticks(range(len(names)), names)
        row[0].annotate(label, (0, 1), (0, 18), "axes fraction", textcoords="offset points")
        for place in row[1:]:
            place.set_yticks(range(len(names)), [])
    handles, words = axes[0][0].get_legend_handles_labels()
    figure.legend(handles, words, loc="outside lower center", ncols=3)
    return figure


def _panel(axes: Axes, results: Sequence[Result], names: Sequence[str], quantity: str) -> None:
    before = _mean([_value(r, quantity) for r in results])
    for i, name in enumerate(names):
        after = _mean([_value(r["mitigations"].get(name, {}), quantity) for r in results])
        label = {"before": None, "after": None} if i else {"before": "before", "after": "after"}
        axes.plot([before, after], [i, i], "-", color=GREY, lw=1.0)
        axes.plot([after], [i], "o", color=BLUE, label=label["after"])
        axes.plot([before], [i], "o", color=VERMILLION, mfc="none", ms=6, label=label["before"])
    axes.set_ylim(len(names) - 0.5, -0.5)
    low, high = axes.get_xlim()
    margin = 0.08 * max(high - low, 0.05)
    axes.set_xlim(low - margin, high + margin)
    axes.xaxis.set_major_locator(MaxNLocator(2))


def _has(kinds: Mapping[str, Sequence[Result]], quantity: str) -> bool:
    return any(_value(r, quantity) is not None for results in kinds.values() for r in results)


def _value(result: Mapping[str, Any], quantity: str) -> float | None:
    """Return a number of a result, or of a mitigation; None where it was not measured."""
    if quantity == "uneven sites":
        padding = result.get("padding")
        return float(sum(any(s["offset"]) for s in padding["sites"])) if padding else None
    if quantity == "defect":
        found = result.get("invariance")
        return float(found["worst"]) if found else None
    consistency = result.get("consistency")
    if not consistency:
        return None
    if quantity == "right":
        accuracy = consistency["accuracy"]
        return float(accuracy["mean"]) if accuracy else None
    view = consistency["views"].get(quantity.removeprefix("same: "))
    return float(view["agreement"]["mean"]) if view else None


def _mean(values: Sequence[float | None]) -> float:
    known = [value for value in values if value is not None]
    return float(np.mean(known)) if known else float("nan")
