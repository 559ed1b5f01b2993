"""How often a network answers the same when its images are flipped, turned or moved."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

import numpy as np
from matplotlib.figure import Figure

from symscape.plots.audit.profile import Result
from symscape.plots.style import COLOURS, PAGE_WIDTH, columns, style

ERRORS = 1.96
"""Standard errors of a bar: 95 % over images."""


@style()
def agreement_bars(kinds: Mapping[str, Sequence[Result]]) -> Figure:
    """Draw the share of images with the same answer, by view; groups of bars a kind.

    The height is the mean over a kind's networks; the error is over the images of one network, the
    mean of theirs. Small grey dots are single networks.
    """
    measured = {
        label: [r["consistency"] for r in results if r["consistency"]]
        for label, results in kinds.items()
    }
    measured = {label: each for label, each in measured.items() if each}
    views = list(dict.fromkeys(v for each in measured.values() for c in each for v in c["views"]))
    figure = Figure(figsize=(PAGE_WIDTH, 3.0))
    axes = figure.subplots()
    width = 0.8 / len(measured)
    for i, (label, each) in enumerate(measured.items()):
        for j, view in enumerate(views):
            found = [c["views"][view]["agreement"] for c in each if view in c["views"]]
            means, errors = ([f[key] or 0.0 for f in found] for key in ("mean", "error"))
            x = j - 0.4 + (i + 0.5) * width
            axes.bar(
                x,
                np.mean(means),
                width * 0.92,
                yerr=ERRORS * np.mean(errors),
                color=COLOURS[i % len(COLOURS)],
                error_kw={"lw": 0.8},
                label=label if j == 0 else None,
            )
            if len(means) > 1:
                axes.plot([x] * len(means), means, ".", color="0.4", ms=2.5)
    axes.set_xticks(range(len(views)), views)
    axes.set_ylim(0, 1.02)
    axes.set_ylabel("images with the same answer")
    count = next(iter(measured.values()))[0]["images"]
    axes.set_title(f"Same answer under a view, {count} test images (bars: 95 % over images)")
    figure.legend(loc="outside lower center", ncols=columns(list(measured)))
    return figure
