"""The summary job: the runs of a study as a table, unfinished ones named, not hidden."""

from __future__ import annotations

import math
from pathlib import Path

from rich import box
from rich.table import Table

from symscape.config_analyses import SummaryConfig
from symscape.jobs.console import console
from symscape.runs.find import Run, find_runs, read_figures

CHANGES = {
    "hflip": "change/hflip",
    "vflip": "change/vflip",
    "90°": "change/rot90",
    "180°": "change/rot180",
}


def summarise(config: SummaryConfig) -> list[Run]:
    """Print every run of a study with its final figures, and where its pictures are.

    What all runs share stands in the title, so that the table fits a terminal of 80 columns.

    Raises:
        SymscapeError: there is no such study, or a file of it is damaged.
    """
    runs = find_runs(Path(config.root), config.study)
    about = [_about(run) for run in runs]
    varying = [k for k in _about_keys() if k == "symmetry" or len({a[k] for a in about}) > 1]
    shared = [f"{k} {about[0][k]}" for k in _about_keys() if k not in varying] if about else []
    title = f"study {config.study}{': ' if shared else ''}{', '.join(shared)}"
    table = Table(title=title, title_justify="left", box=box.SIMPLE_HEAD, pad_edge=False)
    for name in varying:
        table.add_column(name, overflow="fold")
    for name in ("seed", "accuracy", "params", "S", *CHANGES):
        table.add_column(name, justify="right")
    for run, values in zip(runs, about, strict=True):
        table.add_row(*(values[k] for k in varying), *_cells(run))
    console.print(table)
    console.print(
        "accuracy: on the test images. params: free parameters. S: mean over layers of\n"
        "the symmetry of their kernels under all of D4. hflip to 180°: relative change\n"
        "of the logits when test images are flipped or turned.",
        style="dim",
    )
    for run in (r for r in runs if r.state == "completed"):
        for picture in sorted((run.folder / "pictures").glob("*.png")):
            console.print(str(picture), markup=False)
    return runs


def _about_keys() -> tuple[str, ...]:
    return ("data", "model", "augment", "symmetry")


def _about(run: Run) -> dict[str, str]:
    config = run.config
    names = (config.data.name, config.model.name, config.data.augment, config.symmetry.name)
    return dict(zip(_about_keys(), names, strict=True))


def _cells(run: Run) -> tuple[str, ...]:
    seed = str(run.config.seed)
    if run.state != "completed":
        return (seed, run.state, *[""] * (2 + len(CHANGES)))
    figures = read_figures(run.folder)
    return (
        seed,
        f"{figures['test/accuracy']:.2%}",
        f"{figures['free_parameters']:,.0f}",
        f"{figures.get('symmetry/layer/total', math.nan):.3f}",
        *(f"{figures.get(key, math.nan):.1%}" for key in CHANGES.values()),
    )
