"""How the pictures of a page look: colours of kinds, axes; light and dark are the page's."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from symscape.plots.style import COLOURS

DASHES = ("solid", "dash", "dot", "dashdot", "longdash", "longdashdot")


def colour_of(index: int) -> str:
    """Return the colour of a kind by its place; they repeat, with other dashes."""
    return COLOURS[index % len(COLOURS)]


def dash_of(index: int) -> str:
    """Return the dash of a kind's lines."""
    return DASHES[index // len(COLOURS) % len(DASHES)]


def chip_of(index: int) -> str:
    """Return the CSS background of a kind's switch: striped where its colour is another's too."""
    colour, rounds = colour_of(index), index // len(COLOURS)
    if not rounds:
        return colour
    width = 5 - min(rounds, 3)
    return f"repeating-linear-gradient(90deg,{colour} 0 {width}px,transparent {width}px 5px)"


def shade(colour: str, opacity: float = 0.15) -> str:
    """Return a colour, `#rrggbb`, as a transparent one.

    >>> shade("#0072B2")
    'rgba(0,114,178,0.15)'
    """
    red, green, blue = (int(colour[i : i + 2], 16) for i in (1, 3, 5))
    return f"rgba({red},{green},{blue},{opacity})"


def layout(x: str, y: str, *, log: Sequence[str] = (), **more: Any) -> dict[str, Any]:
    """Return the layout of a picture with two axes; `log` names those that are logarithmic."""

    def axis(title: str, name: str) -> dict[str, Any]:
        kind = {"type": "log", "dtick": 1, "minor": {"dtick": "D1"}} if name in log else {}
        return {"title": {"text": title}, "automargin": True, "zeroline": False, **kind}

    return {
        "xaxis": axis(x, "x"),
        "yaxis": axis(y, "y"),
        "margin": {"l": 56, "r": 12, "t": 30, "b": 44},
        "hovermode": "closest",
        "showlegend": False,
        **more,
    }


def rounded(values: Sequence[float], digits: int = 5) -> list[float | None]:
    """Return numbers short enough for a page; what is not finite is a gap."""
    return [float(f"{v:.{digits}g}") if v == v and abs(v) != float("inf") else None for v in values]
