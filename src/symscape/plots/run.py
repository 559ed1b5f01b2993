"""Draw every picture of one run from its result files."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

import numpy as np
from matplotlib.figure import Figure
from numpy.typing import NDArray

from symscape.plots.kernels import kernel_gallery, mean_kernel_strip
from symscape.plots.lie.draw import pictures_on_group
from symscape.plots.read.runs import (
    Measurement,
    read_kernels,
    read_metrics,
    read_symmetry,
    read_title,
)
from symscape.plots.style import save
from symscape.plots.symmetry import symmetry_by_depth
from symscape.plots.training import training_curves

Kernels = dict[str, NDArray[np.floating]]


def draw_run(folder: Path) -> list[Path]:
    """Draw a run's training curves, mean kernels, symmetry by depth and single filters.

    Reads manifest.json, metrics.csv, symmetry.csv and weights/{init,final}.safetensors, and what a
    network on a group leaves besides, all before the first picture is written. A picture that is
    there already is replaced.

    Returns:
        The PNG files written, all below `pictures/`.

    Raises:
        SymscapeError: A file is missing or damaged, or a picture cannot be written.
    """
    run = read_title(folder / "manifest.json")
    rows = read_metrics(folder / "metrics.csv")
    measured = [m for m in read_symmetry(folder / "symmetry.csv") if m.group == "total"]
    start = _by_depth(read_kernels(folder / "weights" / "init.safetensors"), measured)
    end = _by_depth(read_kernels(folder / "weights" / "final.safetensors"), measured)
    figures = {
        "training": training_curves(rows, run),
        "mean_kernels": mean_kernel_strip(
            _means(start), _means(end), f"{run}: mean kernel of every convolution"
        ),
        "symmetry": _draw_symmetry(measured, f"{run}: symmetry by depth"),
        "kernels": kernel_gallery(end, f"{run}: filters at the end of training"),
        **pictures_on_group(folder, run),
    }
    pictures = folder / "pictures"
    return [p for name, figure in figures.items() for p in save(figure, pictures / f"{name}.png")]


def _by_depth(kernels: Kernels, measured: Sequence[Measurement]) -> Kernels:
    """Order `kernels` as symmetry.csv does; layers that it does not know come last."""
    depth = {m.layer: m.depth for m in measured}
    return {name: kernels[name] for name in sorted(kernels, key=lambda n: depth.get(n, 10**9))}


def _means(kernels: Kernels) -> Kernels:
    return {name: kernel.mean(axis=(0, 1), dtype=np.float64) for name, kernel in kernels.items()}


def _draw_symmetry(measured: Sequence[Measurement], title: str) -> Figure:
    epochs = [m.epoch for m in measured] or [0]
    first, last = min(epochs), max(epochs)
    return symmetry_by_depth(
        _values(measured, "mean_kernel", first),
        _values(measured, "mean_kernel", last),
        {m.layer: m.band for m in measured if m.kind == "mean_kernel" and m.band},
        title,
        layer_start=_values(measured, "layer", first),
        layer_end=_values(measured, "layer", last),
    )


def _values(measured: Sequence[Measurement], kind: str, epoch: int) -> dict[str, float]:
    rows = [m for m in measured if (m.kind, m.epoch) == (kind, epoch)]
    return {m.layer: m.value for m in sorted(rows, key=lambda m: m.depth)}
