"""Which runs an analysis is about."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import asdict
from pathlib import Path

from symscape.config.analysis import AnalysisConfig, FilterConfig
from symscape.config.network.model import ON_GROUPS
from symscape.errors import SymscapeError
from symscape.jobs.console import log
from symscape.runs.find import Run, find_runs, open_run


def select_runs(config: AnalysisConfig, named: Sequence[str | None]) -> list[Run]:
    """Return the completed runs that are asked for; say which ones are left out.

    Args:
        config: names a study, whose runs pass its filters; or
        named: the folders of these runs; None stands for a run that was not named.

    Raises:
        SymscapeError: a run or a study is not there, nothing passes, or a named run is unfinished.
    """
    if config.study is None:
        return _named([Path(folder) for folder in named if folder is not None])
    runs = [run for run in find_runs(Path(config.root), config.study) if passes(run, config.only)]
    completed = [run for run in runs if run.state == "completed"]
    if not completed:
        some = f"{len(runs)} unfinished" if runs else "no"
        shown = _shown(config.only)
        raise SymscapeError(f"study={config.study}: {some} run(s) pass the filters {shown}")
    for run in runs:
        if run not in completed:
            log.info(f"left out: {run.folder} is {run.state}")
    return completed


def _named(folders: Sequence[Path]) -> list[Run]:
    runs = [open_run(folder) for folder in folders]
    if len({run.folder.resolve() for run in runs}) < len(runs):
        raise SymscapeError(f"a=b={runs[0].folder}: a run has no barrier to itself")
    for run in runs:
        if run.state != "completed":
            raise SymscapeError(f"{run.folder}: this run is {run.state}, not completed")
    return runs


def passes(run: Run, only: FilterConfig) -> bool:
    """Whether a run passes all filters."""
    config = run.config
    on_group = config.model.name in ON_GROUPS
    values = {
        "symmetry": config.symmetry.name,
        "group": config.group.name if on_group else "none",
        "kernel": config.kernel.name if on_group else "",
        "augment": run.config.data.augment,
        "model": run.config.model.label,
        "seed": run.config.seed,
    }
    wanted = {key: getattr(only, key) for key in values}
    return all(wanted[key] is None or values[key] in wanted[key] for key in values)


def _shown(only: FilterConfig) -> str:
    given = {key: value for key, value in asdict(only).items() if value is not None}
    return ", ".join(f"only.{key}={value}" for key, value in given.items()) or "(none)"
