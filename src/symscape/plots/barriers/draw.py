"""The pictures of a folder of barriers: which ones it has the numbers for."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path

from matplotlib.figure import Figure

from symscape.plots.barriers.at_loss import against_loss
from symscape.plots.barriers.curves import curves
from symscape.plots.barriers.matrix import matrix
from symscape.plots.read.barriers import MeanBarrier, by_level, read_curves, read_means
from symscape.plots.style import save


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
    drawn = [p for name, figure in figures.items() for p in save(figure, pictures / f"{name}.png")]
    return [*drawn, *_draw_at_loss(folder, about)]


def _draw_at_loss(folder: Path, about: str) -> list[Path]:
    """Draw barriers against the train loss, where they are known at several, for each of these."""
    for group in by_level(read_means(folder.parent / "summary.csv")):
        if any(m.settings == folder.name for m in group):
            figure = against_loss(group, f"Barrier at equal train loss, {about}")
            for name in dict.fromkeys(m.settings for m in group):
                save(figure, folder.with_name(name) / "pictures" / "at_loss.png")
            return [folder / "pictures" / "at_loss.png"]
    return []


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
