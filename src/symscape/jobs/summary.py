"""The summary job: the runs of a study as a table, unfinished ones named, not hidden."""

from __future__ import annotations

import math
from pathlib import Path

from rich.table import Table

from symscape.config import SummaryConfig
from symscape.jobs.console import console
from symscape.runs.find import Run, find_runs, read_figures

CHANGES = {
    "Δ hflip": "change/hflip",
    "Δ vflip": "change/vflip",
    "Δ 90°": "change/rot90",
    "Δ 180°": "change/rot180",
}


def summarise(config: SummaryConfig) -> list[Run]:
    """Print every run of a study with its final figures, and where its pictures are.

    Raises:
        SymscapeError: there is no such study, or a file of it is damaged.
    """
    runs = find_runs(Path(config.root), config.study)
    table = Table(title=f"study {config.study}", title_justify="left")
    for name in ("data", "model", "symmetry", "augment"):
        table.add_column(name, overflow="fold")
    for name in ("seed", "test accuracy", "free parameters", "S", *CHANGES):
        table.add_column(name, justify="right")
    for run in runs:
        table.add_row(*_cells(run))
    console.print(table)
    console.print(
        "S: mean over layers of the symmetry of their kernels under all of D4. "
        "Δ: relative change of the logits when test images are flipped or turned.",
        style="dim",
    )
    for run in (r for r in runs if r.state == "completed"):
        for picture in sorted((run.folder / "pictures").glob("*.png")):
            console.print(str(picture), markup=False)
    return runs


def _cells(run: Run) -> tuple[str, ...]:
    config = run.config
    about = (config.data.name, config.model.name, config.symmetry.name, config.data.augment)
    seed = str(config.seed)
    if run.state != "completed":
        return (*about, seed, run.state, *[""] * (2 + len(CHANGES)))
    figures = read_figures(run.folder)
    return (
        *about,
        seed,
        f"{figures['test/accuracy']:.2%}",
        f"{figures['free_parameters']:,.0f}",
        f"{figures.get('symmetry/layer/total', math.nan):.3f}",
        *(f"{figures.get(key, math.nan):.1%}" for key in CHANGES.values()),
    )
