"""The pictures of a folder of curvature results: which ones it has the numbers for."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Any

from matplotlib.figure import Figure

from symscape.plots.read.runs import read_result
from symscape.plots.read.sharpness import read_matched, read_means, read_singles
from symscape.plots.sharpness.ends import against_epsilon, by_kind, densities
from symscape.plots.sharpness.training import against_loss, along_training
from symscape.plots.style import save

Entries = dict[str, Any]


def draw_sharpness(folder: Path, results_of_runs: Sequence[Path]) -> list[Path]:
    """Draw what a folder of settings holds: its two tables and the results of single runs.

    Args:
        folder: of the settings; `pictures/` goes there.
        results_of_runs: the JSON files of the runs.

    Returns:
        The PNG files written, below `pictures/`.
    """
    means = read_means(folder / "summary.csv")
    results = [read_result(path, ("run", "points")) for path in results_of_runs]
    labels = {m.name: m.label for m in means}
    figures: dict[str, Figure] = {}
    if any(m.step >= 0 for m in means):
        figures["training"] = along_training(results, labels)
        if rows := read_matched(folder / "matched.csv"):
            figures["matched"] = against_loss(rows)
    else:
        wanted = [m for m in means if m.quantity in ("eigenvalue_1", "trace")]
        if wanted:
            about = "by symmetry" if "folder" in results[0]["run"] else "of networks"
            figures["sharpness"] = by_kind(wanted, read_singles(folder / "sharpness.csv"), about)
        if ascents := [m for m in means if m.quantity.startswith("random_ascent_mean@")]:
            figures["ascent"] = against_epsilon(ascents)
        if _measured(results, "density"):
            figures["density"] = densities(results, labels)
    pictures = folder / "pictures"
    return [p for name, figure in figures.items() for p in save(figure, pictures / f"{name}.png")]


def _measured(results: Sequence[Entries], quantity: str) -> bool:
    return any(quantity in m for r in results for m in r["points"][-1]["measures"])
