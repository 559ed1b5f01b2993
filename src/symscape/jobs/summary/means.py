"""Means over seeds of the final figures of a study: `summary.csv`, `summary.md`, `summary.png`."""

from __future__ import annotations

import math
from collections import defaultdict
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import Any

from symscape.jobs.analysis.listing import writing_tables
from symscape.landscape.intervals import Interval, mean_interval
from symscape.runs.files import write_text
from symscape.runs.find import Run, find_runs, read_figures
from symscape.runs.identity import identity, kind, kind_order
from symscape.runs.tables import Row, Value, write_rows

TRAITS = ("data", "model", "augment", "symmetry")
COLUMNS = ("name", *TRAITS, "settings", "metric", "mean", "low", "high", "n", "values")
HEADER = (*COLUMNS, "unfinished")


@dataclass(frozen=True)
class Kind:
    """The runs of a study that differ by their seed alone."""

    runs: list[Run]
    settings: str
    """What else tells it from the other kinds of the study: `optimizer.lr=0.05`."""

    @property
    def name(self) -> str:
        """The runs' name: data, model, symmetry, augmentation and a hash of all settings."""
        return self.runs[0].manifest.name

    @property
    def traits(self) -> dict[str, str]:
        """The names of its data, model, augmentation and symmetry; its other settings."""
        return traits_of(self.runs[0]) | {"settings": self.settings}

    @cached_property
    def unfinished(self) -> list[Run]:
        """The runs that are not completed."""
        return [run for run in self.runs if run.state != "completed"]

    @cached_property
    def figures(self) -> dict[str, list[float]]:
        """The final figures of the completed runs by metric, in the order of their seeds."""
        found: dict[str, list[float]] = defaultdict(list)
        for run in self.runs:
            if run not in self.unfinished:
                for metric, value in read_figures(run.folder).items():
                    found[metric].append(value)
        return dict(found)

    @cached_property
    def means(self) -> dict[str, Interval]:
        """The mean of every metric with its interval; n counts the runs that have it."""
        return {metric: mean_interval(values) for metric, values in self.figures.items()}


def traits_of(run: Run) -> dict[str, str]:
    """Return what a run is, in the words of its command line."""
    config = run.config
    names = (config.data.name, config.model.label, config.data.augment, kind(config))
    return dict(zip(TRAITS, names, strict=True))


def varying(traits: Sequence[dict[str, str]]) -> list[str]:
    """Return the traits that differ among some runs, and the symmetry always."""
    keys = traits[0] if traits else ()
    return [key for key in keys if key == "symmetry" or len({each[key] for each in traits}) > 1]


def kinds_of(runs: Sequence[Run]) -> list[Kind]:
    """Group the runs of a study into kinds, symmetries in their usual order."""
    groups: dict[str, list[Run]] = defaultdict(list)
    for run in runs:
        groups[run.manifest.name].append(run)
    trees = {name: _others(members[0]) for name, members in groups.items()}
    shared = set.intersection(*(set(tree.items()) for tree in trees.values())) if trees else set()
    kinds = [
        Kind(members, " ".join(f"{k}={v}" for k, v in sorted(trees[name].items() - shared)))
        for name, members in groups.items()
    ]
    return sorted(kinds, key=_order)


def _others(run: Run) -> dict[str, str]:
    """Return the settings that are not at their defaults, traits apart."""
    known = {"data.name", "model.name", "model.network", "data.augment", "symmetry.name"}
    known |= {"group.name", "kernel.name"}  # The symmetry names both.
    tree = identity(run.config, run.manifest.data.get("content", ""))
    symmetry = run.config.symmetry
    if symmetry.name == "random":  # Like which one says what it is, even where that is the default.
        tree.setdefault("symmetry.like", symmetry.like)
    return {key: str(value)[:16] for key, value in tree.items() if key not in known}


def _order(each: Kind) -> tuple[Any, ...]:
    data, model, augment, symmetry = traits_of(each.runs[0]).values()
    return data, model, augment, kind_order(symmetry), each.name


def write_summary(root: Path, study: str) -> list[Path]:
    """Write what a study comes to, and return the files: `summary.csv`, `.md` and `.png`.

    And `turned.png`, where there are networks on groups, or tested on turned images.

    Of every final figure the mean over seeds, n, and Student's 95 % interval of the mean (see
    `mean_interval`), for each (data, model, symmetry, augmentation) and whatever else differs.
    Runs that are not completed are named. Of 30 runs it takes about a second, and no torch.

    Raises:
        SymscapeError: there is no such study, a file of it is damaged, or it cannot be written.
    """
    return summarised(root, study)[1]


def summarised(root: Path, study: str) -> tuple[list[Kind], list[Path]]:
    """Do what `write_summary` does; return the kinds of runs too."""
    from symscape.plots.lie.turned import draw_turned
    from symscape.plots.summary import draw_summary

    find_runs(root, study)  # Where there is no such study, no lock is left.
    place = root / study
    with writing_tables(place):
        # Read by who writes: else one that had read before a run ended could write after it.
        kinds = kinds_of(find_runs(root, study))
        table, text = place / "summary.csv", place / "summary.md"
        write_rows(table, [row for kind in kinds for row in _rows(kind)], HEADER)
        write_text(text, "\n".join(_markdown(place.name, kinds)) + "\n")
        pictures = draw_summary(table, place / "summary.png")
        pictures += draw_turned(f"Study {study}", _turned(kinds), place / "turned.png")
        return kinds, [table, text, *pictures]


def _turned(kinds: Sequence[Kind]) -> dict[str, list[Path]]:
    """Return what completed runs noted of turned images, by what tells their kinds apart."""
    found: list[tuple[dict[str, str], list[Path]]] = []
    for each in kinds:
        done = [run.folder for run in each.runs if run not in each.unfinished]
        tables = [folder / "equivariance.csv" for folder in done]
        if there := [path for path in tables if path.is_file()]:
            found.append((each.traits, there))
    shown = varying([traits for traits, _ in found])
    return {" ".join(filter(None, map(traits.get, shown))): there for traits, there in found}


def _rows(kind: Kind) -> Iterator[Row]:
    """Yield a row a metric; one without a metric where no run is completed."""
    about: dict[str, Value] = {"name": kind.name, **kind.traits}
    missing = "; ".join(f"seed={run.config.seed} {run.state}" for run in kind.unfinished)
    for metric, found in kind.means.items():
        values = " ".join(map(repr, kind.figures[metric]))
        yield {**about, "metric": metric, **found.cells, "values": values, "unfinished": missing}
    if not kind.means:
        yield {**dict.fromkeys(HEADER, ""), **about, "n": 0, "unfinished": missing}


def _markdown(study: str, kinds: Sequence[Kind]) -> Iterator[str]:
    runs = [run for kind in kinds for run in kind.runs]
    unfinished = [run for kind in kinds for run in kind.unfinished]
    shown = varying([kind.traits for kind in kinds])
    shared = (
        [f"{k} {v}" for k, v in kinds[0].traits.items() if k not in shown and v] if kinds else []
    )
    yield f"# Study {study}\n"
    about = f" ({', '.join(shared)})" if shared else ""
    yield f"{len(runs)} runs, {len(runs) - len(unfinished)} completed{about}."
    yield "Mean over seeds [95 % interval of the mean, Student's t]; n: completed runs.\n"
    if unfinished:
        yield "Not completed:\n"
        yield from (f"- {line}" for line in unfinished_lines(unfinished))
        yield ""
    for title, metrics in _sections(kinds).items():
        yield f"## {title}\n"
        yield from _section(kinds, shown, metrics)
        yield ""


def unfinished_lines(runs: Sequence[Run]) -> list[str]:
    """Return a line a run that is not completed: its folder, state, and what stopped it."""
    said = [" ".join(run.manifest.message.split()) for run in runs]
    return [
        f"{run.folder}: {run.state}{f' ({message})' if message and run.state == 'failed' else ''}"
        for run, message in zip(runs, said, strict=True)
    ]


def _sections(kinds: Sequence[Kind]) -> dict[str, list[str]]:
    """Return the metrics by what stands before their last slash; single ones join the first."""
    metrics = list(dict.fromkeys(metric for kind in kinds for metric in kind.means))
    sections: dict[str, list[str]] = {}
    for metric in metrics:
        title = metric.rpartition("/")[0] or next(iter(sections), "figures")
        sections.setdefault(title, []).append(metric)
    return sections


def _section(kinds: Sequence[Kind], shown: list[str], metrics: list[str]) -> Iterator[str]:
    names = [metric.rpartition("/")[2] for metric in metrics]
    yield f"| {' | '.join([*shown, 'n', *names])} |"
    yield "|" + "---|" * (len(shown) + 1 + len(names))
    for each in kinds:
        count = len(each.runs) - len(each.unfinished)
        cells = [_cell(each.means.get(metric), count) for metric in metrics]
        yield f"| {' | '.join([*(each.traits[key] for key in shown), str(count), *cells])} |"


def _cell(interval: Interval | None, count: int) -> str:
    if interval is None:
        return "-"
    text = number(interval.mean)
    if interval.low is not None and interval.high is not None:
        low, high = number(interval.low), number(interval.high)
        text += f" [{low}, {high}]" if low != high else ""
    return text if interval.n == count else f"{text} (n={interval.n})"


def number(value: float) -> str:
    """Return a number with four digits that count."""
    if not math.isfinite(value) or abs(value) < 1000:
        return f"{value:#.4g}"
    return f"{value:,.0f}"
