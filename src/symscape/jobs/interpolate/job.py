"""The interpolation job: barriers between the runs of a study, or the paths of their training."""

from __future__ import annotations

import logging
from collections.abc import Sequence
from contextlib import suppress
from dataclasses import replace
from pathlib import Path
from typing import Any

from rich import box
from rich.table import Table

from symscape.config.interpolate import InterpolateConfig
from symscape.errors import SymscapeError
from symscape.jobs.analysis.progress import Steps
from symscape.jobs.analysis.results import (
    Listing,
    Measure,
    Task,
    make_missing,
    warn_of_rounding,
    writing_tables,
)
from symscape.jobs.analysis.selection import check_comparable, select_pairs, select_runs, traits
from symscape.jobs.analysis.shards import neighbours_first, reports, share_of
from symscape.jobs.console import console, shown, start_logging
from symscape.jobs.interpolate.tables import cell_labels, cells_of, numbers_of, write_tables
from symscape.runs.find import Run
from symscape.runs.results import (
    PairResult,
    is_whole,
    read_result,
    read_results,
    refer,
    result_path,
    settings_hash,
    write_result,
)

log = logging.getLogger("symscape")
CANDIDATES = ("activations", "weights")


def interpolate(config: InterpolateConfig, *, show_only: bool = False) -> None:
    """Measure what is missing, then write tables and pictures of all there is.

    Args:
        config: what is wanted.
        show_only: measure nothing.

    Raises:
        SymscapeError: what a user can mend, in one line.
    """
    start_logging()
    folders = (config.a, config.b)
    runs, unfinished = select_runs(Path(config.root), config.study, folders, config.only)
    for run in unfinished:
        log.info(f"left out: {run.folder} is {run.state}")
    if config.along == "trajectory":
        from symscape.jobs.interpolate.trajectory import trajectories

        trajectories(config, runs, place_of(config, runs), show_only=show_only)
    else:
        _pairs(config, runs, place_of(config, runs), show_only)


def _pairs(config: InterpolateConfig, runs: list[Run], place: Path, show_only: bool) -> None:
    pairs = select_pairs(runs, config.pairs, config.pairs_per_cell)
    if not pairs:
        raise SymscapeError(f"pairs={config.pairs}: {len(runs)} completed run(s) make no such pair")
    for pair in pairs:
        check_comparable(pair)
    own = [] if show_only else share_of(config, neighbours_first(pairs))
    methods = CANDIDATES if config.align == "best" else (config.align,)
    tasks = [
        Task((a, b), _path(config, place, a, b, method), config.points, method)
        for a, b in own
        for method in methods
    ]
    work = make_missing(
        tasks, PairResult, lambda run: _measure(config, run), _say, force=config.force
    )
    with writing_tables(place):
        if config.align == "best":
            choose(config, place, own)
        finish(config, place, [_path(config, place, a, b, config.align) for a, b in pairs])
    work.check()


def _measure(config: InterpolateConfig, run: Run) -> Measure[PairResult]:
    from symscape.jobs.interpolate.evaluator import Laboratory
    from symscape.jobs.interpolate.measure import Pairs

    pairs = Pairs(Laboratory(config, run))
    log.info(f"on {pairs.lab.hardware.name}, {pairs.lab.hardware.precision}")

    def measure(task: Task, steps: Steps) -> PairResult:
        nonlocal pairs
        a, b = task.runs
        if traits(a) != traits(pairs.lab.run):  # Pairs within kinds may be of several shapes.
            pairs = Pairs(Laboratory(config, a))
        settings = settings_of(config, task.method)
        result = pairs.measure(a, b, task.method, settings, steps.tick)
        warn_of_rounding(result)
        return result

    return measure


def _say(result: PairResult) -> str:
    train, test = (result.barriers[split]["loss"]["chord"] for split in ("train", "test"))
    return f"barrier train {train:.4f}, test {test:.4f}"


def _path(config: InterpolateConfig, place: Path, a: Run, b: Run, align: str) -> Path:
    return result_path(folder_of(place, config, align), [refer(a), refer(b)])


def place_of(config: InterpolateConfig, runs: list[Run]) -> Path:
    """Return where the results of a study go; those of named runs stay apart from them."""
    if config.study:
        return Path(config.root) / config.study / "interpolate"
    return runs[0].folder.resolve().parents[1] / "interpolate" / "named"


def settings_of(config: InterpolateConfig, align: str) -> dict[str, Any]:
    """Return the settings that a pair's result depends on."""
    keys = ["bn", "points", "transform", "train_images", "bn_images", "test_images", "precision"]
    keys += ["align_images"] if align in ("activations", "best") else []
    keys += ["restarts"] if align in ("weights", "best") else []
    return {"align": align} | {key: getattr(config, key) for key in keys}


def folder_of(place: Path, config: InterpolateConfig, align: str) -> Path:
    """Return the folder of the results that share these settings."""
    return place / f"{align}-{config.bn}-{settings_hash(settings_of(config, align))}"


def choose(config: InterpolateConfig, place: Path, pairs: list[tuple[Run, Run]]) -> None:
    """Write, for each pair, the result of the alignment with the lower barrier (train loss)."""
    for a, b in pairs:
        path = _path(config, place, a, b, "best")
        results = {}
        for method in CANDIDATES:
            with suppress(SymscapeError):  # In the hands of another process: it will choose.
                results[method] = read_result(_path(config, place, a, b, method), PairResult)
        if len(results) < len(CANDIDATES) or (not config.force and is_whole(path, PairResult)):
            continue
        heights = {m: r.barriers["train"]["loss"]["chord"] for m, r in results.items()}
        best = min(heights, key=lambda method: heights[method])
        alignment = results[best].alignment | {"candidates": heights}
        settings = settings_of(config, "best")
        write_result(path, replace(results[best], settings=settings, alignment=alignment))


def finish(config: InterpolateConfig, place: Path, wanted: Sequence[Path]) -> None:
    """Write tables and pictures where something is new, and show the barriers."""
    folder = folder_of(place, config, config.align)
    listing = Listing.of(folder)
    results = list(read_results(folder, PairResult))
    if not results:
        return
    pictures = sorted((folder / "pictures").glob("*.png"))
    tables = [place / "summary.csv", place / "barriers.csv"]
    if new := not pictures or listing.is_stale([*pictures, *tables]):
        from symscape.plots.barriers import draw_barriers

        write_tables(place)
        pictures = draw_barriers(folder)
        listing.keep()
    console.print(table_of(config, results))
    for path in (*tables, *pictures):
        console.print(str(path), markup=False)
    if reports(config, listing, wanted, new):
        _send(config, folder, results, pictures)


def _send(
    config: InterpolateConfig, folder: Path, results: list[PairResult], pictures: list[Path]
) -> None:
    """Show the barriers on a dashboard."""
    from symscape.training.loggers.analysis import Report, send

    cells = cells_of(results)
    labels = cell_labels(cells)
    figures = {
        f"barrier/{split}/{labels[c.a.name]}/{labels[c.b.name]}": interval.mean
        for c in cells
        for (split, metric, definition), interval in c.barriers().items()
        if (metric, definition) == ("loss", "chord")
    }
    rows = [
        {
            "a": result.a.label,
            "b": result.b.label,
            **{f"{s}/{m}/{d}": result.barriers[s][m][d] for s, m, d in numbers_of(result)},
        }
        for result in results
    ]
    report = Report(
        job_type="interpolate",
        name=folder.name,
        study=folder.parents[1].name,
        settings=results[0].settings,
        rows=rows,
        runs=[(result.a, result.b) for result in results],
        figures=figures,
        pictures=pictures,
    )
    send(config.logger, report, folder)


def table_of(config: InterpolateConfig, results: list[PairResult]) -> Table:
    """Return the mean barrier of every cell, with its interval and n."""
    title = f"barrier (chord, loss in nats), align={config.align} bn={config.bn}"
    table = Table(title=title, title_justify="left", box=box.SIMPLE_HEAD, pad_edge=False)
    cells = cells_of(results)
    labels = cell_labels(cells)
    splits = list(results[0].curves)
    for name in ("a", "b"):
        table.add_column(name)
    for split in splits:
        table.add_column(f"{split} [95 %]", justify="right")
    table.add_column("n", justify="right")
    for cell in cells:
        barriers = cell.barriers()
        intervals = [barriers[split, "loss", "chord"] for split in splits]
        names = (labels[cell.a.name], labels[cell.b.name])
        table.add_row(*names, *map(shown, intervals), str(intervals[0].n))
    return table
