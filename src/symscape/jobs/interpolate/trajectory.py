"""The path that each training took, and the straight line from its start to its end."""

from __future__ import annotations

import math
import time
from collections import defaultdict
from collections.abc import Callable
from dataclasses import asdict
from pathlib import Path
from typing import Any

from rich import box
from rich.table import Table
from torch import Tensor

from symscape.config.groups import SYMMETRIES
from symscape.config.interpolate import InterpolateConfig
from symscape.jobs.analysis.progress import Steps
from symscape.jobs.analysis.results import (
    Listing,
    Measure,
    Task,
    make_missing,
    warn_of_rounding,
    writing_tables,
)
from symscape.jobs.analysis.selection import traits
from symscape.jobs.analysis.shards import reports, share_of
from symscape.jobs.console import console, shown
from symscape.jobs.interpolate.evaluator import Laboratory, all_barriers, curves_of, on_device
from symscape.jobs.interpolate.tables import labels_of
from symscape.landscape.barriers import largest_rise
from symscape.landscape.interpolation import line_points
from symscape.landscape.intervals import mean_interval
from symscape.landscape.trajectory import Geometry, geometry, plane_grid, principal_plane
from symscape.runs.find import Run, kept_weights, load_at
from symscape.runs.manifest import now
from symscape.runs.results import (
    TrajectoryResult,
    jsonable,
    read_results,
    refer,
    result_path,
    settings_hash,
)
from symscape.runs.tables import Row, Value, write_rows

Tick = Callable[[], None]
States = list[dict[str, Tensor]]


def trajectories(
    config: InterpolateConfig, runs: list[Run], place: Path, *, show_only: bool = False
) -> None:
    """Measure the path of every run that has not been measured, then write tables and pictures."""
    settings = settings_of(config)
    folder = place / f"trajectory-{config.bn}-{settings_hash(settings)}"
    steps = config.points + config.plane_points**2
    every = [Task((run,), result_path(folder, [refer(run)]), steps) for run in runs]

    def prepare(run: Run) -> Measure[TrajectoryResult]:
        laboratory = Laboratory(config, run)

        def of(task: Task, steps: Steps) -> TrajectoryResult:
            nonlocal laboratory
            if traits(task.runs[0]) != traits(laboratory.run):
                laboratory = Laboratory(config, task.runs[0])
            result = measure(laboratory, task.runs[0], settings, steps.tick)
            warn_of_rounding(result)
            return result

        return of

    tasks = [] if show_only else share_of(config, every)
    work = make_missing(tasks, TrajectoryResult, prepare, _say, force=config.force)
    with writing_tables(place):
        _finish(config, folder, [task.path for task in every])
    work.check()


def settings_of(config: InterpolateConfig) -> dict[str, Any]:
    """Return the settings that a trajectory's result depends on."""
    keys = ("along", "bn", "points", "plane_points", "transform", "precision")
    images = ("train_images", "bn_images", "test_images")
    return {key: getattr(config, key) for key in (*keys, *images)}


def measure(
    laboratory: Laboratory, run: Run, settings: dict[str, Any], tick: Tick
) -> TrajectoryResult:
    """Return the result of one run.

    Raises:
        SymscapeError: a loss is not finite.
    """
    begin = time.perf_counter()
    states, steps = _states(laboratory, run)
    alphas = line_points(laboratory.config.points)
    shape = geometry(states)
    points = laboratory.line.measure(states[0], states[-1], alphas, tick=tick)
    curves = curves_of(points, refer(run).label)
    laboratory.line.fill(states[0], states[-1], 0.5)
    check = laboratory.check_precision()
    return TrajectoryResult(
        run=refer(run),
        settings=settings,
        **laboratory.provenance,
        alphas=alphas,
        curves=curves,
        barriers=all_barriers(alphas, curves),
        rise={k: {m: largest_rise(v) for m, v in c.items()} for k, c in curves.items()},
        steps=steps,
        path=jsonable(asdict(shape) | {"ratio": shape.ratio}),
        plane=_plane(laboratory, states, shape, tick) if laboratory.config.plane_points else None,
        precision_check=check,
        finished=now(),
        seconds=round(time.perf_counter() - begin, 3),
    )


def _states(laboratory: Laboratory, run: Run) -> tuple[States, list[int]]:
    kept = [load_at(run, name) for name in kept_weights(run)]
    return [on_device(network, laboratory.hardware) for network, _ in kept], [s for _, s in kept]


def _plane(laboratory: Laboratory, states: States, shape: Geometry, tick: Tick) -> dict[str, Any]:
    """Return the train loss on a grid around the path."""
    plane = principal_plane(states, shape)
    x, y = plane_grid(shape, laboratory.config.plane_points)
    rows = []
    for second in y:
        row = []
        for first in x:
            state = plane.at(first, second)
            laboratory.line.fill(state, state, 0.0)
            loss = laboratory.line.look({}, ["train"])["train"].read().loss
            # Far from the path a loss may overflow: a hole in the picture, not a number.
            row.append(loss if math.isfinite(loss) else None)
            tick()
        rows.append(row)
    return {"x": x, "y": y, "loss": rows}


def _say(result: TrajectoryResult) -> str:
    ratio = result.path["ratio"]
    length = "no step" if ratio is None else f"path {ratio:.2f} times the displacement"
    return f"rise on the line {result.rise['train']['loss']:.4f} (train), {length}"


def _finish(config: InterpolateConfig, folder: Path, wanted: list[Path]) -> None:
    listing = Listing.of(folder)
    results = list(read_results(folder, TrajectoryResult))
    if not results:
        return
    pictures = sorted((folder / "pictures").glob("*.png"))
    table, summary = folder / "trajectories.csv", folder / "summary.csv"
    if new := not pictures or listing.is_stale([table, summary, *pictures]):
        from symscape.plots.trajectory import draw_trajectories

        write_rows(table, [row for result in results for row in _rows(result)])
        write_rows(summary, _means(results))
        pictures = draw_trajectories([result_path(folder, [r.run]) for r in results], folder)
        listing.keep()
    console.print(_table(results))
    for path in (summary, table, *pictures):
        console.print(str(path), markup=False)
    if reports(config, listing, wanted, new):
        from symscape.training.loggers.analysis import Report, send

        report = Report(
            job_type="interpolate",
            name=folder.name,
            study=folder.parents[1].name,
            settings=results[0].settings,
            rows=[{"run": r.run.label, **_numbers(r)} for r in results],
            runs=[(result.run,) for result in results],
            figures={f"{r.run.label}/{k}": v for r in results for k, v in _numbers(r).items()},
            pictures=pictures,
        )
        send(config.logger, report, folder)


def _numbers(result: TrajectoryResult) -> dict[str, float]:
    """Return what a path comes to; what is not a number is nan."""
    path = result.path
    shares = path["shares"]
    numbers = {key: path[key] for key in ("path_length", "displacement", "ratio")}
    numbers |= {"share_1": shares[0], "share_2": shares[1]}
    numbers |= {f"rise/{s}/{m}": v for s, each in result.rise.items() for m, v in each.items()}
    return {key: math.nan if value is None else float(value) for key, value in numbers.items()}


def _rows(result: TrajectoryResult) -> list[Row]:
    """Return a row a number of a run."""
    run = result.run
    about: dict[str, Value] = {
        "name": run.name,
        "symmetry": run.symmetry,
        "augment": run.augment,
        "seed": run.seed,
        "bn": str(result.settings["bn"]),
    }
    return [{**about, "number": k, "value": v} for k, v in _numbers(result).items()]


def _means(results: list[TrajectoryResult]) -> list[Row]:
    """Return a row a mean over seeds."""
    labels = labels_of([result.run for result in results])
    rows: list[Row] = []
    for name in labels:
        numbers = [_numbers(result) for result in results if result.run.name == name]
        for key in numbers[0]:
            found = mean_interval([each[key] for each in numbers])
            low, high = ("" if v is None else v for v in (found.low, found.high))
            about: dict[str, Value] = {"label": labels[name], "name": name, "number": key}
            rows.append({**about, "mean": found.mean, "low": low, "high": high, "n": found.n})
    return rows


def _table(results: list[TrajectoryResult]) -> Table:
    """Return the means over seeds of what a path comes to."""
    title = "path of the training, and the line from start to end: mean [95 %] over seeds"
    table = Table(title=title, title_justify="left", box=box.SIMPLE_HEAD, pad_edge=False)
    names = ("runs", "rise (train)", "path / displacement", "share of 2 components", "n")
    for i, name in enumerate(names):
        table.add_column(name, justify="right" if i else "left")
    kinds: dict[str, list[TrajectoryResult]] = defaultdict(list)
    for result in sorted(results, key=lambda r: SYMMETRIES.index(r.run.symmetry)):
        kinds[result.run.name].append(result)
    labels = labels_of([result.run for result in results])
    for name, members in kinds.items():
        columns = (
            [r.rise["train"]["loss"] for r in members],
            [r.path["ratio"] for r in members],
            [sum(r.path["shares"]) for r in members if None not in r.path["shares"]],
        )
        table.add_row(labels[name], *map(_shown, columns), str(len(members)))
    return table


def _shown(values: list[float | None]) -> str:
    kept = [value for value in values if value is not None]
    return shown(mean_interval(kept)) if kept else "-"
