"""A sweep on Weights & Biases: one job there that lists all runs and what became of them."""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from pathlib import Path

from symscape.config.train import TrainConfig
from symscape.runs.find import open_run
from symscape.runs.subjects import RunReference, refer
from symscape.sweeps.plan import Plan, Wish


def send_sweep(wishes: Sequence[Wish], planned: Plan, place: Path) -> None:
    """Send the table of a sweep of trainings, if they are logged on W&B.

    Args:
        wishes: all jobs.
        planned: what became of them.
        place: folder for the records of `logger.mode=offline`.

    Raises:
        SymscapeError: W&B cannot be reached; all results are on disk nevertheless.
    """
    configs = [c for w in wishes if isinstance(c := w.config, TrainConfig)]
    logged = [config for config in configs if config.logger.name == "wandb"]
    if not logged:
        return
    from symscape.training.loggers.analysis import Report, send

    folders = {job.number: job.folder for job in planned.jobs}
    rows, runs = [], list[tuple[RunReference, ...]]()
    for number, outcome in sorted(planned.outcomes.items()):
        accuracy = "" if outcome.value is None else f"{outcome.value:.4f}"
        rows.append(
            {
                "options": planned.labels[number],
                "state": outcome.state,
                "test/accuracy": accuracy,
                "seconds": round(outcome.seconds, 1),
                "error": outcome.error,
            }
        )
        folder = folders.get(number) if outcome.state == "done" else None
        runs.append((refer(open_run(folder)),) if folder else ())
    report = Report(
        job_type="sweep",
        name=f"sweep {place.name}",
        study=logged[0].study,
        settings={"jobs": len(wishes), "options": planned.labels},
        rows=rows,
        subjects=runs,
        figures=Counter(outcome.state for outcome in planned.outcomes.values()),
        pictures=[],
    )
    send(logged[0].logger, report, place)
