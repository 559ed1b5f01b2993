"""The interpolation job: barriers between the runs of a study, or the paths of their training."""

from __future__ import annotations

from symscape.config.interpolate import InterpolateConfig
from symscape.jobs.analysis.analysis import perform
from symscape.jobs.analysis.subjects import select_runs
from symscape.jobs.console import start_logging


def interpolate(config: InterpolateConfig, *, show_only: bool = False) -> None:
    """Measure barriers between the runs that `config` names, or their trajectories: `perform`."""
    start_logging()
    runs = select_runs(config, (config.a, config.b))
    if config.along == "trajectory":
        from symscape.jobs.interpolate.trajectories import TrajectoryAnalysis

        perform(TrajectoryAnalysis(config, runs), show_only=show_only)
    elif config.path != "line":
        from symscape.jobs.interpolate.paths.analysis import PathAnalysis

        perform(PathAnalysis(config, runs), show_only=show_only)
    else:
        from symscape.jobs.interpolate.pairs import PairAnalysis

        perform(PairAnalysis(config, runs), show_only=show_only)
