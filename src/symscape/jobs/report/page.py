"""The page of a report: its sections from what there is, and what is missing with its command."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from pathlib import Path

from symscape.jobs.report.commands import call, training_of
from symscape.jobs.report.measured import measured
from symscape.jobs.report.observations import Study
from symscape.jobs.report.series import Places, depth, training, turned
from symscape.jobs.report.tables import (
    claims_table,
    kinds_table,
    labels_of,
    runs_table,
    verdict_table,
)
from symscape.jobs.report.verdicts import Decision
from symscape.jobs.summary.means import Kind
from symscape.plots.page.lines import Axes, lines
from symscape.plots.page.look import chip_of
from symscape.plots.page.parts import Missing, Page, Section, Source
from symscape.runs.manifest import now, package_versions


def page_of(study: Study, kinds: Sequence[Kind], decisions: Sequence[Decision]) -> Page:
    """Return the page of a study."""
    place = study.place
    labels = labels_of(kinds)
    places = {kind.name: (labels[kind.name], i) for i, kind in enumerate(kinds)}
    sections = [_verdicts(place, decisions), _trained(place, kinds, places)]
    return Page(
        title=f"Study {place.name}",
        about=list(_about(kinds)),
        kinds=[(label, chip_of(i)) for label, i in places.values()],
        sections=[*(s for s in sections if s is not None), *measured(study, places)],
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


CURVES = {
    "train/loss": ("Train loss", "train loss (nats)"),
    "val/loss": ("Validation loss", "validation loss (nats)"),
    "train/accuracy": ("Train accuracy", "train accuracy"),
    "val/accuracy": ("Validation accuracy", "validation accuracy"),
}
TURNED = {
    "accuracy": ("Accuracy on turned test images", "accuracy"),
    "value": ("Displacement of the logits", "displacement (1: as another image's)"),
}
OF_GROUPS = "The mean kernel of a network on a group is symmetric by construction."


def _trained(place: Path, kinds: Sequence[Kind], places: Places) -> Section:
    labels = {name: label for name, (label, _) in places.items()}
    tables = (kinds_table(place, kinds, labels), runs_table(place, kinds, labels))
    curves = training(kinds, places)
    source = _of_runs("metrics.csv", kinds)
    pictures = [
        lines(title, curves[metric], _epochs(y, metric), source)
        for metric, (title, y) in CURVES.items()
        if metric in curves
    ]
    for column, (title, y) in TURNED.items():
        if curves_of := turned(kinds, places, column):
            axes = Axes("angle by which test images are turned (degrees)", y, magnitude=False)
            pictures.append(lines(title, curves_of, axes, _of_runs("equivariance.csv", kinds)))
    if layers := depth(kinds, places):
        axes = Axes("depth of the layer", "S (1: exact symmetry)", magnitude=False, whole=True)
        source = _of_runs("symmetry.csv", kinds)
        on_groups = any(kind.runs[0].config.group.name != "none" for kind in kinds)
        note = OF_GROUPS if on_groups else ""
        pictures.append(lines("Symmetry of kernels at the end", layers, axes, source, note=note))
    text = (
        "Lines and points: means over runs; bands and bars: 95 % intervals. "
        "The command of each run is in the table of all runs."
    )
    return Section("trained", "What was trained", text, tables, pictures)


def _epochs(y: str, metric: str) -> Axes:
    return Axes("epoch", y, magnitude="loss" in metric, whole=True)


def _of_runs(name: str, kinds: Sequence[Kind]) -> Source:
    """Return the files of all runs, which the command of the first one stands for."""
    return Source(f"*/seed=*/{name}", training_of(kinds[0].runs[0]), "./")


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
