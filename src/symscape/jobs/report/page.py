"""The page of a report: its sections from what there is, and what is missing with its command."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path

from symscape.jobs.report.commands import call, command_of
from symscape.jobs.report.observations import Study
from symscape.jobs.report.tables import (
    claims_table,
    kinds_table,
    labels_of,
    means_table,
    runs_table,
    verdict_table,
)
from symscape.jobs.report.verdicts import Decision
from symscape.jobs.summary.means import Kind
from symscape.plots.page.parts import Missing, Page, Section, Source, Table
from symscape.runs.manifest import now, package_versions


def page_of(study: Study, kinds: Sequence[Kind], decisions: Sequence[Decision]) -> Page:
    """Return the page of a study."""
    place = study.place
    labels = labels_of(kinds)
    sections = [
        _verdicts(place, decisions),
        _trained(place, kinds, labels),
        _barriers(place),
        _trajectories(place),
        _curvature(place),
        _audit(place),
    ]
    return Page(
        title=f"Study {place.name}",
        about=list(_about(kinds)),
        kinds=[],
        sections=[s for s in sections if s is not None and (s.tables or s.pictures)],
        missing=list(_missing(place)),
    )


def _about(kinds: Sequence[Kind]) -> Iterator[str]:
    runs = [run for kind in kinds for run in kind.runs]
    done = sum(len(kind.runs) - len(kind.unfinished) for kind in kinds)
    versions = package_versions()
    yield f"{len(runs)} runs of {len(kinds)} kinds, {done} completed."
    yield "Numbers are means [95 % interval]; more under the pointer."
    yield f"Made {now()} by symscape {versions['symscape']}, torch {versions['torch']}."


def _verdicts(place: Path, decisions: Sequence[Decision]) -> Section | None:
    if not decisions:
        return None
    tables = (claims_table(place, decisions), verdict_table(place, decisions))
    return Section("verdicts", "Verdicts", tables=tables)


def _trained(place: Path, kinds: Sequence[Kind], labels: Mapping[str, str]) -> Section:
    tables = (kinds_table(place, kinds, labels), runs_table(place, kinds, labels))
    return Section("trained", "What was trained", tables=tables)


def _barriers(place: Path) -> Section | None:
    path = place / "interpolate" / "summary.csv"
    if not path.exists():
        return None
    tables = []
    for folder in sorted(p.parent for p in path.parent.glob("*/curves.csv")):
        table = means_table(
            f"Barriers, {folder.name}: loss in nats",
            path,
            _source(place, path, command_of("interpolate", place, folder)),
            ("label_a", "label_b", "split", "definition"),
            {"settings": folder.name, "metric": "loss"},
        )
        tables.append(table)
    return Section("barriers", "Barriers", tables=_there(tables))


def _trajectories(place: Path) -> Section:
    tables = []
    for path in sorted(place.glob("interpolate/trajectory-*/summary.csv")):
        source = _source(place, path, command_of("interpolate", place, path.parent))
        tables.append(means_table("Paths of training", path, source, ("label", "number")))
    return Section("trajectories", "Paths of training", tables=_there(tables))


def _curvature(place: Path) -> Section:
    tables = []
    keys = ("label", "subspace", "scaling", "quantity")
    for path in sorted(place.glob("sharpness/runs-*/summary.csv")):
        source = _source(place, path, command_of("sharpness", place, path.parent))
        tables.append(means_table("Curvature at the end of training", path, source, keys))
    return Section("curvature", "Curvature", tables=_there(tables))


def _audit(place: Path) -> Section:
    tables = []
    for path in sorted(place.glob("audit/*/summary.csv")):
        source = _source(place, path, command_of("audit", place, path.parent))
        tables.append(means_table("Audit", path, source, ("label", "quantity")))
    return Section("audit", "Audit", tables=_there(tables))


def _there(tables: Sequence[Table | None]) -> list[Table]:
    return [table for table in tables if table is not None]


def _source(place: Path, path: Path, command: str) -> Source:
    return Source(path.relative_to(place).as_posix(), command)


def _missing(place: Path) -> Iterator[Missing]:
    """Yield the parts that no result files are there for."""
    parts = {
        "Barriers": ("interpolate/*/curves.csv", ("interpolate",)),
        "Barriers after alignment": (
            "interpolate/[!nt]*/curves.csv",
            ("interpolate", "align=activations"),
        ),
        "Paths of training": (
            "interpolate/trajectory-*/summary.csv",
            ("interpolate", "along=trajectory"),
        ),
        "Curvature": ("sharpness/runs-*/summary.csv", ("sharpness",)),
        "Curvature along training": (
            "sharpness/trajectory-*/summary.csv",
            ("sharpness", "along=trajectory"),
        ),
        "Audit": ("audit/*/summary.csv", ("audit",)),
    }
    for title, (pattern, (door, *words)) in parts.items():
        if not any(place.glob(pattern)):
            yield Missing(title, call(door, place, *words))
