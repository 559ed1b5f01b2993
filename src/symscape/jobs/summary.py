"""The summary job: the runs of a study as a table, unfinished ones named, not hidden."""

from __future__ import annotations

import math
from pathlib import Path

from rich.table import Table

from symscape.config import SummaryConfig
from symscape.jobs.console import console
from symscape.runs.find import Run, find_runs, read_figures


def summarise(config: SummaryConfig) -> list[Run]:
    """Print every run of a study with its final figures, and where its pictures are.

    Raises:
        SymscapeError: there is no such study, or a file of it is damaged.
    """
    runs = find_runs(Path(config.root), config.study)
    table = Table(title=f"study {config.study}", title_justify="left")
    for name in ("data", "model", "symmetry", "augment"):
        table.add_column(name, overflow="fold")
    for name in ("seed", "test accuracy", "free parameters", "S", "change at 90°"):
        table.add_column(name, justify="right")
    for run in runs:
        table.add_row(*_cells(run))
    console.print(table)
    console.print(
        "S: mean over layers of the symmetry of the kernels under all of D4. "
        "change at 90°: relative change of the logits when test images are turned.",
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
        return (*about, seed, run.state, "", "", "")
    figures = read_figures(run.folder)
    return (
        *about,
        seed,
        f"{figures['test/accuracy']:.2%}",
        f"{figures['free_parameters']:,.0f}",
        f"{figures['symmetry/layer/total']:.3f}",
        f"{figures.get('change/rot90', math.nan):.1%}",
    )
