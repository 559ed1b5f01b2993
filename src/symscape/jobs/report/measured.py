"""The sections of a report about what analyses measured, as far as their files are there."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import replace
from pathlib import Path

from symscape.jobs.report.commands import command_of
from symscape.jobs.report.observations import Study
from symscape.jobs.report.series import (
    Places,
    at_equal_loss,
    barriers_at_loss,
    ends,
    initial_to_final,
)
from symscape.jobs.report.tables import claims_of_audit, means_table
from symscape.plots.page.lines import Axes, lines, points
from symscape.plots.page.matrix import matrix
from symscape.plots.page.parts import Picture, Section, Source, Table
from symscape.plots.read.barriers import MeanBarrier, by_level, read_curves, read_means
from symscape.plots.read.sharpness import read_means as read_curvature
from symscape.runs.results import TrajectoryResult, read_results

SHOWN = {"eigenvalue_1": "Largest eigenvalue", "trace": "Trace"}
"""Measures of curvature that get a picture; the table has all."""
TELLING = ("at=",)
"""Words of a command that tell barriers apart, besides alignment and BatchNorm policy."""


def measured(study: Study, places: Places) -> list[Section]:
    """Return the sections that there are files for."""
    makers = (_barriers, _trajectories, _curvature, _audit)
    sections = [make(study, places) for make in makers]
    return [section for section in sections if section.tables or section.pictures]


def _source(study: Study, path: Path, folder: Path) -> Source:
    door = path.relative_to(study.place).parts[0]
    return Source(path.relative_to(study.place).as_posix(), command_of(door, study.place, folder))


def _barriers(study: Study, places: Places) -> Section:
    place = study.place / "interpolate"
    tables, pictures = [], []
    # Of lines one table has all settings; of curved paths each folder has its own.
    curved = sorted(path.with_name("summary.csv") for path in place.glob("*/paths.csv"))
    for path in (place / "summary.csv", *curved):
        means = read_means(path) if path.exists() else []
        for settings in dict.fromkeys(mean.settings for mean in means):
            folder = place / settings
            own = [mean for mean in means if mean.settings == settings]
            source = _source(study, path, folder)
            title = _title(settings, source.command)
            pictures.append(_matrix(title, own, folder, places, source))
            keys = ("label_a", "label_b", "split", "definition")
            of = {"settings": settings, "metric": "loss"}
            table = means_table(f"{title}: loss in nats", path, source, keys, of, labels=places)
            tables.append(table)
    pictures += _barriers_at_loss(study, place / "summary.csv", places)
    text = (
        "How far the loss rises on the straight line between two networks: chord, above the line "
        "between its ends; midmean, above their mean; max, its highest value. Means over pairs."
    )
    return Section("barriers", "Barriers", text, _there(tables), pictures)


def _barriers_at_loss(study: Study, path: Path, places: Places) -> Iterator[Picture]:
    """Yield barriers against the train loss, where they were measured at several."""
    note = (
        "Between each run's first kept weights at or below that train loss; n counts pairs. "
        "Step and learning rate differ between points."
    )
    for group in by_level(read_means(path)) if path.exists() else ():
        source = _source(study, path, path.parent / group[0].settings)
        align, bn, *_ = group[0].settings.split("-")
        axes = Axes("train loss of both ends, or less (nats)", "barrier (nats)", down=True)
        drawn = barriers_at_loss(group, places)
        yield lines(f"At equal train loss, align={align}, bn={bn}", drawn, axes, source, note=note)


def _title(settings: str, command: str) -> str:
    """Return what a folder of barriers is about, of its name and its command."""
    told = [word for word in command.split() if word.startswith(TELLING)]
    *path, align, bn, _ = settings.split("-")
    return ", ".join((f"Barriers {' '.join(path)}".strip(), f"align={align}", f"bn={bn}", *told))


def _matrix(
    title: str, means: Sequence[MeanBarrier], folder: Path, places: Places, source: Source
) -> Picture:
    """Return the matrix with kinds called as everywhere on the page, in the same order."""
    names = {m.a: m.name_a for m in means} | {m.b: m.name_b for m in means}
    known = {label: places[name][0] if name in places else label for label, name in names.items()}
    order = sorted(names, key=lambda label: places.get(names[label], ("", len(places)))[1])
    tables = [path for name in ("curves.csv", "paths.csv") if (path := folder / name).exists()]
    points = [point for path in tables for point in read_curves(path)]
    curves = [replace(c, a=known[c.a], b=known[c.b]) for c in points]
    called = [replace(m, a=known[m.a], b=known[m.b]) for m in means]
    return matrix(title, called, curves, [known[label] for label in order], source)


def _trajectories(study: Study, places: Places) -> Section:
    tables, pictures = [], []
    for path in sorted(study.place.glob("interpolate/trajectory-*/summary.csv")):
        source = _source(study, path, path.parent)
        results = list(read_results(path.parent, TrajectoryResult))
        line, paths = initial_to_final(results, places)
        axes = Axes("alpha: 0 is the start, 1 the end", "train loss (nats)", magnitude=False)
        pictures.append(lines("Line from start to end", line, axes, source))
        if paths:
            axes = Axes("first component", "second component", magnitude=False)
            note = "Each run in the plane of its own two leading components."
            pictures.append(lines("Paths of training", paths, axes, source, note=note))
        keys = ("label", "number")
        table = means_table("Paths of training", path, source, keys, labels=places)
        tables.append(table)
    text = (
        "ratio: the length of the path over the distance from start to end, 1 where it is "
        "straight; share: of the path's variance, by component; rise: on the line, above its "
        "lowest so far."
    )
    return Section("trajectories", "Paths of training", text, _there(tables), pictures)


def _curvature(study: Study, places: Places) -> Section:
    tables: list[Table | None] = []
    pictures: list[Picture] = []
    keys = ("label", "subspace", "scaling", "quantity")
    for table, singles in study.curvature.items():
        path = table.with_name("summary.csv")
        source = _source(study, path, path.parent)
        means = read_curvature(path)
        measures = dict.fromkeys((m.subspace, m.scaling, m.quantity) for m in means)
        for measure in measures:
            if measure[1] == "none" and measure[2] in SHOWN:
                found = ends(singles, means, measure, places)
                said = SHOWN[measure[2]]
                pictures.append(points(f"{said}, {measure[0]}", found, said.lower(), source))
        tables.append(means_table("Curvature at the end", path, source, keys, labels=places))
    for path in sorted(study.place.glob("sharpness/trajectory-*/matched.csv")):
        pictures += _at_loss(study, path, places)
    text = (
        "Of the train loss: own, in coordinates of the kernels that a network may take; ambient, "
        "in all effective kernels. A network that fits less is flatter for that alone: compare at "
        "equal train loss."
    )
    return Section("curvature", "Curvature", text, _there(tables), pictures)


def _at_loss(study: Study, path: Path, places: Places) -> Iterator[Picture]:
    """Yield curvature against the train loss, along training."""
    source = _source(study, path, path.parent)
    note = "Along training; the learning rate differs between points (matched.csv says it)."
    for measure, series in at_equal_loss(path, places):
        subspace, scaling, quantity = measure.split("/")
        if quantity in SHOWN:
            scaled = "" if scaling == "none" else f", scaling={scaling}"
            title = f"At equal train loss: {SHOWN[quantity]}, {subspace}{scaled}"
            axes = Axes("train loss (nats)", SHOWN[quantity].lower(), down=True)
            yield lines(title, series, axes, source, note=note)


def _audit(study: Study, places: Places) -> Section:
    tables: list[Table | None] = []
    for path in sorted(study.place.glob("audit/*/summary.csv")):
        source = _source(study, path, path.parent)
        if (claims := path.with_name("claims.csv")).exists():
            tables.append(claims_of_audit(claims, _source(study, claims, path.parent)))
        tables.append(means_table("Audit", path, source, ("label", "quantity"), labels=places))
    text = (
        "S: symmetry of mean kernels; sites: strided layers, uneven ones read their padding on "
        "one side; defect: how far answers would move were all kernels symmetric; agreement: same "
        "answer to images flipped, turned or moved."
    )
    return Section("audit", "Audit", text, _there(tables))


def _there(tables: Sequence[Table | None]) -> list[Table]:
    return [table for table in tables if table is not None]
