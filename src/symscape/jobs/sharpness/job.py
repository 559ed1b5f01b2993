"""The sharpness job: curvature at the end of runs, or along their training."""

from __future__ import annotations

import logging
from pathlib import Path
from typing import Any

from symscape.config.sharpness import SharpnessConfig
from symscape.jobs.analysis.progress import Steps
from symscape.jobs.analysis.results import Listing, Measure, Task, make_missing, writing_tables
from symscape.jobs.analysis.selection import select_runs
from symscape.jobs.analysis.shards import reports, share_of
from symscape.jobs.console import console, start_logging
from symscape.jobs.sharpness.tables import numbers_of, table_of, warnings_of, write_tables
from symscape.runs.find import Run, kept_weights
from symscape.runs.results import (
    SharpnessResult,
    read_results,
    refer,
    result_path,
    settings_hash,
)

log = logging.getLogger("symscape")


def sharpness(config: SharpnessConfig, *, show_only: bool = False) -> None:
    """Measure what is missing, then write tables and pictures of all there is.

    Args:
        config: what is wanted.
        show_only: measure nothing.

    Raises:
        SymscapeError: what a user can mend, in one line.
    """
    start_logging()
    runs, unfinished = select_runs(Path(config.root), config.study, (config.run,), config.only)
    for run in unfinished:
        log.info(f"left out: {run.folder} is {run.state}")
    if config.study:
        place = Path(config.root) / config.study / "sharpness"
    else:  # Apart from the study's own: a table of a study is of all that was asked of it.
        place = runs[0].folder.resolve().parents[1] / "sharpness" / "named"
    settings = settings_of(config)
    folder = place / f"{config.along}-{settings_hash(settings)}"
    every = [Task((r,), result_path(folder, [refer(r)]), steps_of(config, r)) for r in runs]
    tasks = [] if show_only else share_of(config, every, lambda task: task.steps)

    def prepare(run: Run) -> Measure[SharpnessResult]:
        from symscape.jobs.sharpness.measure import Microscope

        microscope = Microscope(config, run)
        hardware = microscope.hardware
        log.info(f"{len(tasks)} runs on {hardware.name}, {hardware.precision}")

        def measure(task: Task, steps: Steps) -> SharpnessResult:
            return microscope.measure(task.runs[0], settings, steps)

        return measure

    work = make_missing(tasks, SharpnessResult, prepare, _say, force=config.force)
    with writing_tables(place):
        _finish(config, folder, [task.path for task in every])
    work.check()


def settings_of(config: SharpnessConfig) -> dict[str, Any]:
    """Return the settings that a result depends on."""
    keys = ["along", "quantities", "subspaces", "scalings", "images", "bn_images"]
    keys += ["precision", "seed"]
    used = {
        "eigenvalues": ("k", "tolerance", "max_products"),
        "trace": ("trace_products",),
        "random_ascent": ("epsilons", "draws"),
        "worst_case": ("radii",),
    }
    keys += [key for quantity in config.quantities for key in used.get(quantity, ())]
    return {key: getattr(config, key) for key in keys}


def steps_of(config: SharpnessConfig, run: Run) -> int:
    """Return how many measures a run takes: the progress bar counts them."""
    points = len(kept_weights(run)) if config.along == "trajectory" else 1
    return points * len(config.subspaces) * len(config.scalings) * len(config.quantities)


def _say(result: SharpnessResult) -> str:
    last = result.points[-1]
    shown = [
        f"{m['subspace']}/{m['scaling']} {m['eigenvalues']['values'][0]:.4g}"
        + ("" if m["eigenvalues"]["converged"] else " (not converged)")
        for m in last["measures"]
        if "eigenvalues" in m
    ]
    return f"loss {last['loss']:.4f}" + (
        f", largest eigenvalue {', '.join(shown)}" if shown else ""
    )


def _finish(config: SharpnessConfig, folder: Path, wanted: list[Path]) -> None:
    listing = Listing.of(folder)
    results = list(read_results(folder, SharpnessResult))
    if not results:
        return
    pictures = sorted((folder / "pictures").glob("*.png"))
    tables = [folder / "summary.csv", folder / "sharpness.csv"]
    if new := not pictures or listing.is_stale([*tables, *pictures]):
        from symscape.plots.sharpness import draw_sharpness

        write_tables(folder, results)
        pictures = draw_sharpness(folder, [result_path(folder, [r.run]) for r in results])
        listing.keep()
    console.print(table_of(results))
    for warning in warnings_of(results):
        log.warning(f"warning: {warning}")
    for path in (*tables, *pictures):
        console.print(str(path), markup=False)
    if reports(config, listing, wanted, new):
        _send(config, folder, results, pictures)


def _send(
    config: SharpnessConfig, folder: Path, results: list[SharpnessResult], pictures: list[Path]
) -> None:
    from symscape.training.loggers.analysis import Report, send

    numbers = {r.run.label: {n.name: n.value for n in numbers_of(r.points[-1])} for r in results}
    report = Report(
        job_type="sharpness",
        name=folder.name,
        study=folder.parents[1].name,
        settings=results[0].settings,
        rows=[{"run": label, **values} for label, values in numbers.items()],
        runs=[(result.run,) for result in results],
        figures={f"{label}/{k}": v for label, values in numbers.items() for k, v in values.items()},
        pictures=pictures,
    )
    send(config.logger, report, folder)
