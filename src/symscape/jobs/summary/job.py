"""The summary job: the runs of a study and their means as tables, unfinished ones named."""

from __future__ import annotations

import math
from collections.abc import Sequence
from pathlib import Path

from rich import box
from rich.table import Table

from symscape.config.report import SummaryConfig
from symscape.jobs.console import console, percent
from symscape.jobs.summary.means import Kind, summarised, traits_of, unfinished_lines, varying
from symscape.landscape.intervals import Interval
from symscape.runs.find import Run, read_figures

CHANGES = {
    "hflip": "change/hflip",
    "vflip": "change/vflip",
    "90°": "change/rot90",
    "180°": "change/rot180",
}
TURNED = {"turned": "turned/accuracy"}
"""Of runs that were tested on turned images."""
MEANS = {"accuracy": "test/accuracy", "loss": "test/loss", "S": "symmetry/layer/total", **TURNED}
FEW_RUNS = 12
"""So many runs have their pictures listed one by one."""


def summarise(config: SummaryConfig) -> list[Run]:
    """Print the runs of a study and their means over seeds, and write its summary.

    What all runs share stands in the title, so that the tables fit a terminal of 80 columns.

    Raises:
        SymscapeError: there is no such study, or a file of it is damaged or cannot be written.
    """
    root = Path(config.root)
    kinds, written = summarised(root, config.study)
    runs = [run for kind in kinds for run in kind.runs]
    console.print(_runs(f"study {config.study}", runs))
    console.print(
        "accuracy: on the test images. params: free parameters. S: mean over layers of\n"
        "the symmetry of their kernels under all of D4. hflip to 180°: relative change\n"
        "of the logits when test images are flipped or turned. turned: accuracy, mean over\n"
        "the angles of pictures/equivariance.png.",
        style="dim",
    )
    if any(found.n > 1 for kind in kinds for found in kind.means.values()):
        console.print(_means(kinds))
    for line in unfinished_lines([run for run in runs if run.state != "completed"]):
        console.print(f"not completed: {line}", markup=False)
    pictures = sorted(p for run in runs for p in (run.folder / "pictures").glob("*.png"))
    if len(runs) > FEW_RUNS:
        pictures = [root / config.study / "*" / "seed=*" / "pictures" / "*.png"]
    for path in (*pictures, *written):
        console.print(str(path), markup=False)
    return runs


def _runs(title: str, runs: Sequence[Run]) -> Table:
    """Return a row a run: its final figures, or how far it came."""
    traits = [traits_of(run) for run in runs]
    figures = [read_figures(run.folder) if run.state == "completed" else {} for run in runs]
    turned = [name for name, key in TURNED.items() if any(key in each for each in figures)]
    table = _table(title, traits, ("seed", "accuracy", *turned, "params", "S", *CHANGES))
    for run, own, each in zip(runs, traits, figures, strict=True):
        cells = _cells(run, each, turned)
        table.add_row(*(own[key] for key in varying(traits)), *cells)
    return table


def _cells(run: Run, figures: dict[str, float], turned: Sequence[str]) -> tuple[str, ...]:
    seed = str(run.config.seed)
    if run.state != "completed":
        return (seed, run.state, *[""] * (2 + len(turned) + len(CHANGES)))
    return (
        seed,
        f"{figures['test/accuracy']:.2%}",
        *(percent(figures.get(TURNED[name], math.nan)) for name in turned),
        f"{figures['free_parameters']:,.0f}",
        f"{figures.get('symmetry/layer/total', math.nan):.3f}",
        *(percent(figures.get(key, math.nan)) for key in CHANGES.values()),
    )


def _means(kinds: Sequence[Kind]) -> Table:
    """Return a row a kind of run: means over seeds, and half of their 95 % intervals."""
    traits = [kind.traits for kind in kinds]
    shown = {h: metric for h, metric in MEANS.items() if any(metric in k.means for k in kinds)}
    table = _table("mean over seeds ± half of its 95 % interval", traits, ("n", *shown))
    for kind, own in zip(kinds, traits, strict=True):
        means = [kind.means.get(metric) for metric in shown.values()]
        count = str(len(kind.runs) - len(kind.unfinished))
        cells = [_half(found) if found else "" for found in means]
        table.add_row(*(own[key] for key in varying(traits)), count, *cells)
    return table


def _half(found: Interval) -> str:
    half = "" if found.high is None else f" ± {found.high - found.mean:.3f}"
    return f"{found.mean:.3f}{half}"


def _table(title: str, traits: Sequence[dict[str, str]], numbers: Sequence[str]) -> Table:
    """Return an empty table whose first columns are the traits that vary."""
    names = varying(traits)
    shared = [f"{k} {v}" for k, v in traits[0].items() if k not in names and v] if traits else []
    about = f"{title}: {', '.join(shared)}" if shared else title
    table = Table(title=about, title_justify="left", box=box.SIMPLE_HEAD, pad_edge=False)
    for name in names:
        table.add_column(name, overflow="fold")
    for name in numbers:
        table.add_column(name, justify="right")
    return table
