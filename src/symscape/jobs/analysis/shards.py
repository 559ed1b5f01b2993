"""The share of an analysis that one of several jobs makes.

Shards share no state but the result files. Each cuts the same list of work, finished or not, into
the same parts: so they must be given the same settings, and look at the same completed runs.
"""

from __future__ import annotations

from collections.abc import Sequence
from itertools import groupby
from pathlib import Path

from symscape.config.analysis import AnalysisConfig
from symscape.jobs.analysis.listing import Listing
from symscape.jobs.analysis.missing import Task
from symscape.jobs.console import log


def share_of(config: AnalysisConfig, tasks: Sequence[Task]) -> list[Task]:
    """Return the part of the work that `shard=i shards=n` makes, and say so; all without shards.

    Parts are stretches of the list of about as many steps, so that what lies close together in it
    (pairs that share a run, runs of one architecture) is made by one job; and so are all tasks
    about the same subjects.
    """
    if config.shard is None or config.shards is None:
        return list(tasks)
    units = [list(each) for _, each in groupby(tasks, key=lambda task: task.subjects)]
    steps = [sum(task.steps for task in unit) for unit in units]
    total, before, own = sum(steps), 0.0, []
    for unit, each in zip(units, steps, strict=True):
        # The middle of a unit on the scale of steps says whose it is.
        if int((before + each / 2) / total * config.shards) == config.shard:
            own.append(unit)
        before += each
    log.info(f"shard {config.shard} of {config.shards}: {len(own)} of {len(units)}")
    return [task for unit in own for task in unit]


def reports(config: AnalysisConfig, listing: Listing, wanted: Sequence[Path], new: bool) -> bool:
    """Whether this job is the one that shows the results on a dashboard; say what is missing.

    Of several shards, that is the one whose tables are the first with all results.

    Args:
        config: of the job.
        listing: what its tables were made of.
        wanted: the results of all shards.
        new: whether it wrote the tables just now.
    """
    if config.shards is None:
        return config.logger.name != "csv"
    if left := len(listing.lacks(wanted)):
        log.info(f"{left} results are not there yet: the last shard completes tables and pictures")
    return config.logger.name != "csv" and new and not left
