"""Barriers between networks, pair by pair: the analysis."""

from __future__ import annotations

from collections.abc import Sequence
from contextlib import suppress
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

from rich.table import Table

from symscape.config.interpolate import InterpolateConfig
from symscape.errors import SymscapeError
from symscape.jobs.analysis.analysis import Analysis
from symscape.jobs.analysis.missing import Task
from symscape.jobs.analysis.progress import Steps
from symscape.jobs.analysis.subjects import Subject, images_asked
from symscape.jobs.interpolate.selection import Pair, alike, neighbours_first
from symscape.jobs.interpolate.tables import (
    barrier_figures,
    in_order,
    numbers_of,
    table_of,
    write_tables,
)
from symscape.runs.results import (
    PairResult,
    is_whole,
    read_result,
    result_path,
    settings_hash,
    write_result,
)

if TYPE_CHECKING:
    from symscape.jobs.interpolate.measure import PairMeasure

CANDIDATES = ("activations", "weights")


class PairAnalysis(Analysis[PairResult]):
    """The line between the networks of each pair."""

    door = "interpolate"
    kind = PairResult

    def __init__(self, config: InterpolateConfig, pairs: Sequence[Pair]) -> None:
        super().__init__(config, [each.run for each in pairs[0] if each.run is not None])
        self.config, self.pairs = config, list(pairs)
        self.measurer: PairMeasure | None = None

    @property
    def folder(self) -> Path:
        """Where the results go that share these settings."""
        return self._folder(self.config.align)

    def _folder(self, align: str) -> Path:
        digest = settings_hash(self._settings(align))
        return self.place / f"{align}-{self.config.bn}-{digest}"

    def _settings(self, align: str) -> dict[str, Any]:
        return settings_of(self.config, align) | images_asked(self.pairs[0][0])

    def _path(self, pair: Pair, align: str) -> Path:
        return result_path(self._folder(align), [each.reference for each in pair])

    def tasks(self) -> list[Task]:
        """Return a result a pair; two of which `best` is chosen."""
        config = self.config
        methods = CANDIDATES if config.align == "best" else (config.align,)
        settings = {method: self._settings(method) for method in methods}
        return [
            Task(
                pair,
                self._path(pair, method),
                settings[method],
                config.points,
                method,
                shown=in_order(pair),
            )
            for pair in neighbours_first(self.pairs)
            for method in methods
        ]

    def prepare(self, task: Task) -> None:
        """Load images and networks: those of other pairs may be of another shape."""
        from symscape.jobs.interpolate.evaluator import LineEvaluator
        from symscape.jobs.interpolate.measure import PairMeasure

        first, _ = pair_of(task)
        if self.measurer is None or not alike(first, self.measurer.evaluator.subject):
            self.measurer = PairMeasure(LineEvaluator(self.config, first, self.hardware))
            if self.config.align != "none":  # What cannot be permuted is said before all else.
                _ = self.measurer.spec

    def measure(self, task: Task, steps: Steps) -> PairResult:
        """Align, walk the line."""
        assert self.measurer is not None  # prepare saw to it
        return self.measurer.measure(*pair_of(task), task.method, steps.tick)

    def say(self, result: PairResult) -> str:
        """Return the barriers."""
        train, test = (result.barriers[split]["loss"]["chord"] for split in ("train", "test"))
        return f"barrier train {train:.4f}, test {test:.4f}"

    def combine(self) -> None:
        """Write, for each pair, the result of the alignment with the lower barrier (train loss)."""
        for pair in self.pairs if self.config.align == "best" else []:
            path = self._path(pair, "best")
            results = {}
            for method in CANDIDATES:
                with suppress(SymscapeError):  # In the hands of another process: it will choose.
                    results[method] = read_result(self._path(pair, method), self.kind)
            there = not self.config.force and is_whole(path, self.kind)
            if len(results) == len(CANDIDATES) and not there:
                write_result(path, self._best(results))

    def _best(self, results: dict[str, PairResult]) -> PairResult:
        heights = {m: r.barriers["train"]["loss"]["chord"] for m, r in results.items()}
        best = min(heights, key=lambda method: heights[method])
        alignment = results[best].alignment | {"candidates": heights}
        settings = self._settings("best")
        return replace(results[best], settings=settings, alignment=alignment)

    def wanted(self) -> list[Path]:
        """Return the places of the results of all pairs."""
        return [self._path(pair, self.config.align) for pair in self.pairs]

    @property
    def tables(self) -> list[Path]:
        """Of all settings of the study together."""
        return [self.place / "summary.csv", self.place / "barriers.csv"]

    def write_tables(self, results: Sequence[PairResult]) -> None:
        """Write the tables of all pairs of the study."""
        write_tables(self.place)

    def draw(self, results: Sequence[PairResult]) -> list[Path]:
        """Draw matrix and curves."""
        from symscape.plots.barriers.draw import draw_barriers

        return draw_barriers(self.folder)

    def table(self, results: Sequence[PairResult]) -> Table:
        """Return the mean barrier of every two kinds."""
        about = f"align={self.config.align} bn={self.config.bn}"
        about += "" if self.config.at == "final" else f" at={self.config.at}"
        return table_of(f"barrier (chord, loss in nats), {about}", results)

    def row(self, result: PairResult) -> dict[str, Any]:
        """Return the two networks and all barriers."""
        barriers = {f"{s}/{m}/{d}": result.barriers[s][m][d] for s, m, d in numbers_of(result)}
        return {"a": result.a.label, "b": result.b.label, **barriers}

    def figures(self, results: Sequence[PairResult]) -> dict[str, float]:
        """Return the mean barriers of every two kinds."""
        return barrier_figures(results)


def pair_of(task: Task) -> Pair:
    """Return the two networks that a task is about."""
    a, b = task.subjects
    assert isinstance(a, Subject) and isinstance(b, Subject)  # tasks saw to it
    return a, b


def settings_of(config: InterpolateConfig, align: str) -> dict[str, Any]:
    """Return the settings that a pair's result depends on."""
    keys = ["bn", "points", "transform", "train_images", "bn_images", "test_images", "precision"]
    keys += ["align_images"] if align in ("activations", "best") else []
    keys += ["restarts"] if align in ("weights", "best") else []
    # A line's settings are as they were before there were other paths.
    keys += ["path", "path_epochs", "path_lr"] if config.path != "line" else []

    keys += ["at"] if config.at != "final" else []
    return {"align": align} | {key: getattr(config, key) for key in keys}
