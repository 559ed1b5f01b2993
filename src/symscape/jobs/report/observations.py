"""The numbers of runs and of pairs that a claim is about, as result files hold them."""

from __future__ import annotations

import math
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from functools import cached_property
from pathlib import Path

from symscape.config.report import ClaimConfig
from symscape.jobs.audit.numbers import numbers_of
from symscape.jobs.report.commands import call, command_of
from symscape.jobs.report.contrasts import Key
from symscape.jobs.report.groups import Subject
from symscape.plots.read.barriers import PairBarrier, read_pairs
from symscape.plots.read.sharpness import Single, read_singles
from symscape.plots.read.trajectories import PathNumber, read_path_numbers
from symscape.runs.find import read_figures
from symscape.runs.results import AuditResult, read_results
from symscape.runs.subjects import RunReference


@dataclass(frozen=True)
class Numbers:
    """One number of each run, or of each pair of runs, measured with equal settings."""

    definition: str
    file: Path
    command: str
    runs: dict[Key, float] = field(default_factory=dict)
    pairs: dict[tuple[Key, Key], float] = field(default_factory=dict)
    note: str = ""


@dataclass(frozen=True, eq=False)
class Study:
    """The result files of a study; each table is read once."""

    place: Path
    subjects: list[Subject]

    @cached_property
    def barriers(self) -> list[PairBarrier]:
        """All barriers between two runs; none where none was measured."""
        path = self.place / "interpolate" / "barriers.csv"
        return read_pairs(path) if path.exists() else []

    @cached_property
    def paths(self) -> dict[Path, list[PathNumber]]:
        """The numbers of the paths of trainings, by their table."""
        tables = sorted(self.place.glob("interpolate/trajectory-*/trajectories.csv"))
        return {path: read_path_numbers(path) for path in tables}

    @cached_property
    def curvature(self) -> dict[Path, list[Single]]:
        """The numbers at the end of trainings, by their table."""
        tables = sorted(self.place.glob("sharpness/runs-*/sharpness.csv"))
        return {path: read_singles(path) for path in tables}

    @cached_property
    def audits(self) -> dict[Path, list[AuditResult]]:
        """The audits of runs, by the table of their means."""
        tables = sorted(self.place.glob("audit/*/summary.csv"))
        return {path: list(read_results(path.parent, AuditResult)) for path in tables}


def observed(study: Study, claim: ClaimConfig) -> list[Numbers]:
    """Return what there is of a claim's quantity: each definition, each way it was measured."""
    return [found for definition in claim.definition for found in _of(study, claim, definition)]


def _of(study: Study, claim: ClaimConfig, definition: str) -> Iterator[Numbers]:
    of: dict[str, Callable[[Study, ClaimConfig, str], Iterator[Numbers]]] = {
        "barrier": _barriers,
        "figure": _figures,
        "path": _paths,
        "curvature": _curvature,
        "audit": _audits,
    }
    return of[claim.quantity](study, claim, definition)


def command_for(study: Study, claim: ClaimConfig) -> str:
    """Return the command that measures a claim's quantity."""
    words = {
        "barrier": ("interpolate", f"align={claim.align[0]}", f"bn={claim.bn}"),
        "path": ("interpolate", "along=trajectory", f"bn={claim.bn}"),
        "curvature": ("sharpness",),
        "audit": ("audit",),
        "figure": ("summary",),
    }
    door, *rest = words[claim.quantity]
    return call(
        door, study.place, *(word for word in rest if word not in ("align=none", "bn=reset"))
    )


def _barriers(study: Study, claim: ClaimConfig, definition: str) -> Iterator[Numbers]:
    wanted = ("loss", definition, claim.split, claim.bn)
    pairs: dict[tuple[str, str], dict[tuple[Key, Key], float]] = {}
    for row in study.barriers:
        if (row.metric, row.definition, row.split, row.bn) == wanted:
            pairs.setdefault((row.align, row.settings), {})[row.a, row.b] = row.value
    for align in claim.align:
        for settings in (s for a, s in pairs if a == align):
            folder = study.place / "interpolate" / settings
            command = command_of("interpolate", study.place, folder)
            at = [word for word in command.split() if word.startswith("at=")]
            yield Numbers(
                ", ".join((definition, f"align={align}", *at)),
                folder.parent / "barriers.csv",
                command,
                pairs=pairs[align, settings],
            )


def _figures(study: Study, claim: ClaimConfig, definition: str) -> Iterator[Numbers]:
    found = {s.key: read_figures(s.run.folder).get(definition, math.nan) for s in study.subjects}
    if runs := _finite(found):
        file = study.place / "summary.csv"
        yield Numbers(definition, file, call("summary", study.place), runs=runs)


def _paths(study: Study, claim: ClaimConfig, definition: str) -> Iterator[Numbers]:
    for path, rows in study.paths.items():
        wanted = (definition, claim.bn)
        found = {(r.name, r.seed): r.value for r in rows if (r.number, r.bn) == wanted}
        if runs := _finite(found):
            command = command_of("interpolate", study.place, path.parent)
            yield Numbers(definition, path, command, runs=runs)


def _curvature(study: Study, claim: ClaimConfig, definition: str) -> Iterator[Numbers]:
    for path, rows in study.curvature.items():
        own = [r for r in rows if f"{r.subspace}/{r.scaling}/{r.quantity}" == definition]
        if runs := _finite({(r.name, r.seed): r.value for r in own}):
            lost = sum(not r.converged for r in own)
            note = f"{lost} of {len(own)} not converged" if lost else ""
            command = command_of("sharpness", study.place, path.parent)
            yield Numbers(definition, path, command, runs=runs, note=note)


def _audits(study: Study, claim: ClaimConfig, definition: str) -> Iterator[Numbers]:
    for path, results in study.audits.items():
        found = {
            (r.subject.name, r.subject.seed): numbers_of(r).get(definition, math.nan)
            for r in results
            if isinstance(r.subject, RunReference)
        }
        if runs := _finite(found):
            command = command_of("audit", study.place, path.parent)
            yield Numbers(definition, path, command, runs=runs)


def _finite(found: dict[Key, float]) -> dict[Key, float]:
    return {key: value for key, value in found.items() if math.isfinite(value)}
