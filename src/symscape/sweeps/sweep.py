"""A sweep: skip what is finished, run the rest on an engine, say what became of each job."""

from __future__ import annotations

import os
from collections.abc import Callable, Sequence
from contextlib import closing
from dataclasses import replace
from datetime import datetime
from pathlib import Path

from rich.console import Console

from symscape.config.analysis import AnalysisConfig
from symscape.config.audit import AuditConfig
from symscape.config.interpolate import InterpolateConfig
from symscape.config.shared import LoggerConfig
from symscape.config.sharpness import SharpnessConfig
from symscape.config.train import TrainConfig
from symscape.errors import SymscapeError
from symscape.jobs.summary.means import write_summary
from symscape.stopping import Interrupted, stoppable
from symscape.sweeps.engine import Engine, Outcomes
from symscape.sweeps.job import Job, Outcome
from symscape.sweeps.plan import Plan, Wish, free_again, plan
from symscape.sweeps.report import send_sweep
from symscape.sweeps.status import Status, clock, shown

NOTES = {
    "elsewhere": "  another process is at work on them",
    "to do": "  the same command goes on with them",
}


@stoppable()
def sweep(
    wishes: Sequence[Wish], engine: Engine, place: Path, *, continue_on_failure: bool = True
) -> list[float | None]:
    """Run what is not finished, print what became of all, return what the jobs returned.

    Args:
        wishes: all jobs.
        engine: what runs them.
        place: folder for the logs, one folder a sweep.
        continue_on_failure: do the others when a job fails.

    Raises:
        SymscapeError: jobs failed, in one line.
        KeyboardInterrupt: Ctrl-C or SIGTERM; no job runs any more, and the same command goes on.
    """
    logs = place / f"{datetime.now():%Y%m%d-%H%M%S}-{os.getpid()}"
    planned = plan(wishes, logs)
    stopped = False
    if planned.jobs and (continue_on_failure or not _failed(planned)):
        stopped = _run(planned, engine, len(wishes), continue_on_failure)
    print(_table(planned), flush=True)
    if stopped:
        raise KeyboardInterrupt
    for path in _summaries(wishes, anew=bool(planned.jobs)):
        print(path, flush=True)
    _show_analyses(wishes, planned)
    if planned.jobs:
        send_sweep(wishes, planned, logs)
    if failed := _failed(planned):
        first = f"{planned.labels[failed[0]]}: {planned.outcomes[failed[0]].error}"
        raise SymscapeError(f"{len(failed)} of {len(wishes)} jobs failed; the first is {first}")
    return [planned.outcomes[number].value for number in sorted(planned.outcomes)]


def _summaries(wishes: Sequence[Wish], *, anew: bool) -> list[Path]:
    """Write the means over seeds of the studies that were trained; return the files."""
    configs = [config for wish in wishes if isinstance(config := wish.config, TrainConfig)]
    studies = {(config.root, config.study): Path(config.root) / config.study for config in configs}
    written: list[Path] = []
    for (root, study), folder in studies.items():
        # A study whose first runs all failed before they began has no folder.
        if folder.is_dir() and (anew or not (folder / "summary.md").exists()):
            written += write_summary(Path(root), study)
    return written


def _show_analyses(wishes: Sequence[Wish], planned: Plan) -> None:
    """Show the tables of the analyses, once for all shards: those of the jobs are in their logs."""
    done = [n for n, outcome in sorted(planned.outcomes.items()) if outcome.state == "done"]
    configs = [wishes[number].config for number in done]
    asked = [config for config in configs if isinstance(config, AnalysisConfig)]
    if not asked:
        return
    jobs = analyses()
    # The jobs have sent to a dashboard what there was to send.
    alone = [replace(c, shard=None, shards=None, logger=LoggerConfig()) for c in asked]
    for config in {repr(config): config for config in alone}.values():
        jobs[type(config)](config, show_only=True)


def analyses() -> dict[type[AnalysisConfig], Callable[..., None]]:
    """Return the job of every analysis, by its config."""
    from symscape.jobs.audit.job import audit
    from symscape.jobs.interpolate.job import interpolate
    from symscape.jobs.sharpness.job import sharpness

    return {InterpolateConfig: interpolate, SharpnessConfig: sharpness, AuditConfig: audit}


def _failed(planned: Plan) -> list[int]:
    return sorted(n for n, outcome in planned.outcomes.items() if outcome.state == "failed")


def _run(planned: Plan, engine: Engine, of: int, continue_on_failure: bool) -> bool:
    """Run the jobs; return whether a signal ended it."""
    status = Status(planned)
    jobs = planned.jobs
    try:
        with shown(status) as console:
            ahead = f"{len(jobs)} of {of} jobs to run"
            console.print(f"{ahead}; logs in {jobs[0].log.parent}", markup=False)
            while jobs:
                with closing(engine.run(jobs, of)) as ended:
                    whole = _collect(ended, status, console, continue_on_failure)
                jobs = free_again(planned) if whole else []
    except (Interrupted, KeyboardInterrupt):
        return True
    return False


def _collect(ended: Outcomes, status: Status, console: Console, continue_on_failure: bool) -> bool:
    """Note and print the outcomes as they come; return whether all are wanted."""
    for job, outcome in ended:
        status.planned.outcomes[job.number] = outcome
        console.print(_news(job, outcome), markup=False)
        if not console.is_terminal:
            console.print(status.line(), markup=False)
        if outcome.state == "failed" and not continue_on_failure:
            return False
    return True


def _news(job: Job, outcome: Outcome) -> str:
    value = "" if outcome.value is None else f" {outcome.value:.2%}"
    error = f": {outcome.error}" if outcome.error else ""
    # A training has its log in its folder too.
    log = f" ({job.log})" if error or job.folder is None else ""
    return f"{job.label}: {outcome.state}{value} after {clock(outcome.seconds)}{error}{log}"


def _table(planned: Plan) -> str:
    """Return how many jobs came to which end, and of those that failed why."""
    logs = {job.number: f"\n    {job.log}" for job in planned.jobs}
    ends = {number: outcome.state for number, outcome in planned.outcomes.items()}
    ends |= {job.number: "to do" for job in planned.jobs if job.number not in ends}
    lines = [f"sweep of {len(planned.labels)} jobs"]
    for state in ("done", "skipped", "elsewhere", "failed", "to do"):
        there = sorted(number for number, end in ends.items() if end == state)
        if there or state in ("done", "skipped", "failed"):
            lines.append(f"{state:>10} {len(there):4d}{NOTES.get(state, '') if there else ''}")
        for number in there if state in ("elsewhere", "failed") else ():
            error = planned.outcomes[number].error
            lines.append(f"  {planned.labels[number]}\n    {error}{logs.get(number, '')}")
    return "\n".join(lines)
