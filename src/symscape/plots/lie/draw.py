"""The pictures of what a network keeps of turns: of those on groups, and of turned images."""

from __future__ import annotations

from pathlib import Path

from matplotlib.figure import Figure

from symscape.plots.lie.activations import activations
from symscape.plots.lie.equivariance import equivariance
from symscape.plots.lie.kernels import group_kernels
from symscape.plots.lie.redundancy import redundancy_by_epoch
from symscape.plots.read.runs import read_arrays, read_equivariance, read_redundancy


def pictures_on_group(folder: Path, run: str) -> dict[str, Figure]:
    """Return figures by name, of those files that a run's folder has; other networks have none.

    Raises:
        SymscapeError: a file is damaged.
    """
    figures: dict[str, Figure] = {}
    if (path := folder / "equivariance.csv").exists():
        figures["equivariance"] = equivariance(read_equivariance(path), run)
    if (path := folder / "redundancy.csv").exists():
        figures["redundancy"] = redundancy_by_epoch(read_redundancy(path), run)
    if (path := folder / "examples.npz").exists():
        arrays = read_arrays(path)
        figures["activations"] = activations(arrays, run)
        if "kernels" in arrays:
            figures["group_kernels"] = group_kernels(arrays, run)
    return figures
