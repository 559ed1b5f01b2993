"""Which runs an analysis is about, and which of them can be compared."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Sequence
from dataclasses import asdict
from functools import lru_cache
from hashlib import sha256
from heapq import nsmallest
from itertools import combinations
from pathlib import Path
from typing import Any

from symscape.config.analysis import FilterConfig
from symscape.errors import SymscapeError
from symscape.runs.find import Run, find_runs, open_run

SAME = ("content", "classes", "channels", "height", "width", "mean", "std")
"""What two runs must agree on in their manifests' `data`; mean and std follow val_fraction."""


def select_runs(
    root: Path, study: str | None, folders: Sequence[str | None], only: FilterConfig
) -> tuple[list[Run], list[Run]]:
    """Return the completed runs that are asked for, and those that are not completed.

    Args:
        root: folder of all studies.
        study: all runs of this one that pass `only`; or
        folders: these runs; None stands for a run that was not named.
        only: filters for the runs of a study.

    Raises:
        SymscapeError: a run or a study is not there, nothing passes, or a named run is unfinished.
    """
    if study is None:
        runs = [open_run(Path(folder)) for folder in folders if folder is not None]
        if len({run.folder.resolve() for run in runs}) < len(runs):
            raise SymscapeError(f"a=b={runs[0].folder}: a run has no barrier to itself")
        for run in runs:
            if run.state != "completed":
                raise SymscapeError(f"{run.folder}: this run is {run.state}, not completed")
        return runs, []
    runs = [run for run in find_runs(root, study) if passes(run, only)]
    completed = [run for run in runs if run.state == "completed"]
    if not completed:
        some = f"{len(runs)} unfinished" if runs else "no"
        raise SymscapeError(f"study={study}: {some} run(s) pass the filters {_shown(only)}")
    return completed, [run for run in runs if run.state != "completed"]


def passes(run: Run, only: FilterConfig) -> bool:
    """Whether a run passes all filters."""
    values = {
        "symmetry": run.config.symmetry.name,
        "augment": run.config.data.augment,
        "model": run.config.model.name,
        "seed": run.config.seed,
    }
    wanted = {key: getattr(only, key) for key in values}
    return all(wanted[key] is None or values[key] in wanted[key] for key in values)


def _shown(only: FilterConfig) -> str:
    given = {key: value for key, value in asdict(only).items() if value is not None}
    return ", ".join(f"only.{key}={value}" for key, value in given.items()) or "(none)"


def check_comparable(runs: Sequence[Run]) -> None:
    """Raise SymscapeError unless all runs are of one architecture and one data set."""
    first = runs[0]
    for run in runs[1:]:
        for key, value in traits(run).items():
            if value != (expected := traits(first)[key]):
                raise SymscapeError(
                    f"{first.folder} and {run.folder}: {key} differs "
                    f"({_brief(expected)} and {_brief(value)}); only equal ones can be compared"
                )


@lru_cache(maxsize=4096)  # Of 1,000 runs each is looked at in 999 pairs.
def traits(run: Run) -> dict[str, Any]:
    """Return what runs must share for their networks and images to be compared."""
    model = {f"model.{key}": value for key, value in asdict(run.config.model).items()}
    return model | {f"data.{key}": run.manifest.data.get(key) for key in SAME}


def _brief(value: object) -> str:
    if isinstance(value, list):
        return f"{len(value)} classes" if value and isinstance(value[0], str) else str(value)
    return str(value)[:16]


def select_pairs(
    runs: Sequence[Run], which: str, per_cell: int | None = None
) -> list[tuple[Run, Run]]:
    """Return each pair of different runs once, or a sample of them.

    Args:
        runs: to pair.
        which: `all`; `within`: pairs that differ by their seed alone; `cross`: the others.
        per_cell: at most so many pairs of each two kinds of runs. Those with the smallest hashes of
            their names are taken: random, the same ones always, and most of them still there when
            runs are added to the study.
    """
    pairs = list(combinations(runs, 2))
    if which != "all":
        pairs = [pair for pair in pairs if len(set(_names(pair))) == 1 + (which == "cross")]
    if per_cell is None:
        return pairs
    ranks: dict[frozenset[str], list[tuple[bytes, int]]] = defaultdict(list)
    for i, pair in enumerate(pairs):
        seeds = sorted(f"{run.manifest.name} {run.manifest.seed}" for run in pair)
        ranks[frozenset(_names(pair))].append((sha256("\n".join(seeds).encode()).digest(), i))
    chosen = (i for cell in ranks.values() for _, i in nsmallest(per_cell, cell))
    return [pairs[i] for i in sorted(chosen)]


def _names(pair: tuple[Run, Run]) -> tuple[str, str]:
    return pair[0].manifest.name, pair[1].manifest.name
