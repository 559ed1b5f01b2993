"""Barriers of a study: the curves between two kinds of runs, and the matrix of all kinds."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path

import numpy as np
from matplotlib import colormaps
from matplotlib.axes import Axes
from matplotlib.cm import ScalarMappable
from matplotlib.colors import Normalize
from matplotlib.figure import Figure

from symscape.plots.read.barriers import CurvePoint, MeanBarrier, read_curves, read_means
from symscape.plots.style import COLOURS, PAGE_WIDTH, SMALL, save, style, wrap_title

MOST_KINDS = 6
"""Up to so many kinds of runs, the curves of all pairs of kinds fit a page as a triangle."""
MOST_NUMBERED = 14
"""Up to so many kinds, a number fits each cell of a matrix of page width."""
MOST_PANELS = 24
SEQUENTIAL = colormaps["cividis"]


def draw_barriers(folder: Path) -> list[Path]:
    """Draw the curves (loss, accuracy) of one folder of settings, and the matrix of several cells.

    Reads `curves.csv` there and `summary.csv` beside it.

    Returns:
        The PNG files written, below `pictures/`.
    """
    points = read_curves(folder / "curves.csv")
    means = [m for m in read_means(folder.parent / "summary.csv") if m.settings == folder.name]
    title = " ".join(folder.name.split("-")[:2])
    align, bn = title.split()
    about = f"align={align}, bn={bn}"
    pictures = folder / "pictures"
    figures = {
        **_matrices(means, f"Barrier (chord, loss in nats), {about}"),
        "loss": curves(points, "loss", f"Loss between two networks, {about}"),
        "accuracy": curves(points, "error", f"Accuracy between two networks, {about}"),
    }
    return [p for name, figure in figures.items() for p in save(figure, pictures / f"{name}.png")]


def draw_paths(folder: Path) -> list[Path]:
    """Draw the curves (loss, accuracy) of one folder of settings, and the matrix of several cells.

    Reads `paths.csv` and `summary.csv` there. The matrix has a panel for the line beside each of
    the path's, on one colour scale.

    Returns:
        The PNG files written, below `pictures/`.
    """
    points = read_curves(folder / "paths.csv")
    straight = [p for p in points if p.path == "line"]
    bent = [p for p in points if p.path != "line"]
    path, align, bn = folder.name.split("-")[:3]
    about = f"path={path}, align={align}, bn={bn}"
    means = read_means(folder / "summary.csv")
    lines = read_means(folder / "summary.csv", "line_mean")
    both = [*means, *(replace(m, split=f"{m.split}, line") for m in lines)]
    figures = {
        **_matrices(both, f"Barrier (chord, loss in nats), {about}"),
        "loss": curves(
            bent, "loss", f"Loss between two networks, {about}; dashed: on the line", straight
        ),
        "accuracy": curves(
            bent, "error", f"Accuracy between two networks, {about}; dashed: on the line", straight
        ),
    }
    pictures = folder / "pictures"
    return [p for name, figure in figures.items() for p in save(figure, pictures / f"{name}.png")]


def _matrices(means: Sequence[MeanBarrier], title: str) -> dict[str, Figure]:
    """Return the matrix; none of one pair of kinds, of which the curves show all there is."""
    return {"matrix": matrix(means, title)} if len({(m.a, m.b) for m in means}) > 1 else {}


@style()
def matrix(means: Sequence[MeanBarrier], title: str) -> Figure:
    """Draw the mean barrier of every pair of kinds, one panel a split, on one colour scale.

    Args:
        means: of any metric and definition; loss by chord is drawn.
        title: of the figure.
    """
    drawn = [m for m in means if (m.metric, m.definition) == ("loss", "chord")]
    splits = list(dict.fromkeys(m.split for m in drawn))
    kinds = list(dict.fromkeys(label for m in drawn for label in (m.a, m.b)))
    columns = min(2, len(splits)) if len(kinds) <= MOST_KINDS + 1 else 1
    rows = -(-len(splits) // columns)
    figure = Figure(figsize=(PAGE_WIDTH, (3.3 if columns == 2 else 6.0) * rows + 0.3))
    figure.suptitle(wrap_title(title))
    panels = figure.subplots(rows, columns, squeeze=False)
    if len(kinds) > MOST_NUMBERED:
        counts = sorted({m.count for m in drawn})
        span = f"{counts[0]} to {counts[-1]}" if len(counts) > 1 else f"{counts[0]}"
        figure.suptitle(wrap_title(f"{title}, n={span} pairs a cell"))
    norm = Normalize(0.0, max((m.mean for m in drawn), default=1.0) or 1.0)
    for axes in panels.flat[len(splits) :]:
        axes.remove()
    for axes, split in zip(panels.flat, splits, strict=False):
        _draw_matrix(axes, [m for m in drawn if m.split == split], kinds, norm)
        axes.set_title(split)
    bar = figure.colorbar(
        ScalarMappable(norm, SEQUENTIAL),
        ax=list(panels.flat[: len(splits)]),
        shrink=0.8,
        aspect=20 * rows * (2 / columns),
    )
    bar.set_label("mean barrier (nats)")
    return figure


def _draw_matrix(
    axes: Axes, means: Sequence[MeanBarrier], kinds: list[str], norm: Normalize
) -> None:
    places = [sorted((kinds.index(m.a), kinds.index(m.b))) for m in means]
    # A row or a column that no cell stands in is left out: of a single pair one cell remains.
    rows, columns = (sorted(set(each)) for each in zip(*places, strict=True))
    values = np.full((len(rows), len(columns)), np.nan)
    for m, (first, second) in zip(means, places, strict=True):
        row, column = rows.index(first), columns.index(second)
        values[row, column] = m.mean
        if len(kinds) <= MOST_NUMBERED:
            light = float(np.dot(SEQUENTIAL(norm(m.mean))[:3], (0.3, 0.6, 0.1))) > 0.5
            axes.text(
                column,
                row,
                f"{m.mean:.2f}\nn={m.count}",
                ha="center",
                va="center",
                fontsize=SMALL,
                color="black" if light else "white",
            )
    axes.imshow(np.ma.masked_invalid(values), cmap=SEQUENTIAL, norm=norm)
    names = [kinds[column] for column in columns]
    many = len(kinds) > MOST_KINDS + 1
    ticks = axes.set_xticks(range(len(columns)), names, rotation=90 if many else 45)
    for label in [] if many else [tick.label1 for tick in ticks]:
        label.set(ha="right", rotation_mode="anchor")
    axes.set_yticks(range(len(rows)), [kinds[row] for row in rows])
    axes.grid(visible=False)


@style()
def curves(
    points: Sequence[CurvePoint], metric: str, title: str, thin: Sequence[CurvePoint] = ()
) -> Figure:
    """Draw the mean curve of every pair of kinds with its 95 % band over seed pairs.

    Args:
        points: of any metric.
        metric: `loss` or `error`; an error is drawn as accuracy.
        title: of the figure.
        thin: of other curves of the same pairs, to compare with; drawn thin, without bands.
    """
    drawn = [p for p in points if p.metric == metric]
    kinds = list(dict.fromkeys(label for p in drawn for label in (p.a, p.b)))
    cells = list(dict.fromkeys((p.a, p.b) for p in drawn))
    if 1 < len(kinds) <= MOST_KINDS and len(cells) > 2:
        figure, places = _triangle(kinds, cells)
    else:
        figure, places = _panels(cells[:MOST_PANELS])
        if len(cells) > MOST_PANELS:
            title += f" (the first {MOST_PANELS} of {len(cells)} pairs of kinds)"
    figure.suptitle(wrap_title(title))
    splits = list(dict.fromkeys(p.split for p in drawn))
    for cell, axes in places.items():
        own = [p for p in drawn if (p.a, p.b) == cell]
        beside = [p for p in thin if (p.a, p.b) == cell and p.metric == metric]
        for split, colour in zip(splits, COLOURS, strict=False):
            _draw_curve(axes, [p for p in own if p.split == split], split, colour)
            _draw_thin(axes, [p for p in beside if p.split == split], colour)
        # In the title: inside, some curve would run through it.
        axes.set_title(f"{axes.get_title()}, n={own[0].count}", fontsize=SMALL)
    first = next(iter(places.values()))
    handles, labels = first.get_legend_handles_labels()
    what = "kind" if any(p.count > 1 for p in drawn) else "network"
    ends = f"alpha: 0 is the first {what}, 1 the second"
    figure.legend(handles, labels, loc="outside lower center", ncols=len(splits), title=ends)
    figure.supylabel("loss (nats)" if metric == "loss" else "accuracy (%)", fontsize=8.0)
    return figure


def _triangle(
    kinds: list[str], cells: list[tuple[str, str]]
) -> tuple[Figure, dict[tuple[str, str], Axes]]:
    """Return axes for every cell in the upper triangle of a grid of kinds."""
    count = len(kinds)
    figure = Figure(figsize=(PAGE_WIDTH, 1.2 * count + 0.9))
    grid = figure.subplots(count, count, sharex=True, sharey=True, squeeze=False)
    places = {}
    for row, a in enumerate(kinds):
        for column, b in enumerate(kinds):
            cell = (a, b) if (a, b) in cells else (b, a)
            if column < row or cell not in cells:
                grid[row, column].remove()
                continue
            axes = places[cell] = grid[row, column]
            axes.set_title(f"{cell[0]} - {cell[1]}" if a != b else a, fontsize=SMALL)
            axes.tick_params(labelleft=column == row, labelbottom=column == row)
            axes.set_xticks([0.0, 0.5, 1.0], labels=["0", "½", "1"])
    return figure, places


def _panels(cells: list[tuple[str, str]]) -> tuple[Figure, dict[tuple[str, str], Axes]]:
    """Return a panel a cell, up to four in a row."""
    columns = min(4, len(cells))
    rows = -(-len(cells) // columns)
    figure = Figure(figsize=(PAGE_WIDTH, (2.6 if rows == 1 else 1.7) * rows + 0.9))
    grid = figure.subplots(rows, columns, sharex=True, sharey=True, squeeze=False)
    for axes in grid.flat[len(cells) :]:
        axes.remove()
    places = dict(zip(cells, grid.flat, strict=False))
    for (a, b), axes in places.items():
        axes.set_title(f"{a} - {b}", fontsize=SMALL if columns > 2 else 8.0)
    return figure, places


def _draw_curve(axes: Axes, points: Sequence[CurvePoint], split: str, colour: str) -> None:
    at = [p.alpha for p in points]
    lines = np.array([(p.mean, p.low, p.high) for p in points]).T
    if points and points[0].metric == "error":
        lines = 100.0 * (1.0 - lines)
    axes.plot(at, lines[0], color=colour, label=split)
    if np.isfinite(lines[1:]).all():
        axes.fill_between(at, lines[1], lines[2], color=colour, alpha=0.2, linewidth=0)


def _draw_thin(axes: Axes, points: Sequence[CurvePoint], colour: str) -> None:
    accuracy = points and points[0].metric == "error"
    values = [100.0 * (1.0 - p.mean) if accuracy else p.mean for p in points]
    axes.plot([p.alpha for p in points], values, color=colour, linewidth=0.5, linestyle="--")
