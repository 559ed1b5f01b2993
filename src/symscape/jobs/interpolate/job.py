"""The interpolation job: barriers between networks, or the paths of trainings."""

from __future__ import annotations

from symscape.config.interpolate import InterpolateConfig
from symscape.jobs.analysis.analysis import perform
from symscape.jobs.analysis.subjects import RunSubject, select_runs
from symscape.jobs.console import start_logging
from symscape.jobs.interpolate.selection import Pair, chosen_pairs


def interpolate(config: InterpolateConfig, *, show_only: bool = False) -> None:
    """Measure barriers between what `config` names, or the paths of runs; see `perform`."""
    start_logging()
    if config.along == "trajectory":
        from symscape.jobs.interpolate.trajectories import TrajectoryAnalysis

        runs = select_runs(config, (config.a, config.b))
        subjects = [RunSubject(run) for run in runs]
        perform(TrajectoryAnalysis(config, subjects), show_only=show_only)
    elif config.path != "line":
        from symscape.jobs.interpolate.paths.analysis import PathAnalysis

        perform(PathAnalysis(config, _pairs(config)), show_only=show_only)
    else:
        from symscape.jobs.interpolate.pairs import PairAnalysis

        perform(PairAnalysis(config, _pairs(config)), show_only=show_only)


def _pairs(config: InterpolateConfig) -> list[Pair]:
    if config.network is None:
        runs = select_runs(config, (config.a, config.b))
        return chosen_pairs(runs, config.pairs, config.pairs_per_cell)
    from symscape.jobs.analysis.networks import network_subjects

    a, b = network_subjects(config, {"a": config.a, "b": config.b})
    return [(a, b)]
