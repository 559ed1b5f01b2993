"""The tables of a report: verdicts, kinds of runs, runs, and the means that analyses wrote."""

from __future__ import annotations

import csv
import math
from collections.abc import Mapping, Sequence
from pathlib import Path

from symscape.jobs.report.commands import call, training_of
from symscape.jobs.report.verdicts import Decision, agreement, headline
from symscape.jobs.summary.means import Kind, number, varying
from symscape.landscape.intervals import Interval
from symscape.plots.page.parts import Cell, Source, Table
from symscape.plots.read.runs import naming
from symscape.runs.find import Run, read_figures

FIGURES = {
    "test accuracy": "test/accuracy",
    "test loss": "test/loss",
    "turned: accuracy": "turned/accuracy",
    "turned: displacement": "turned/displacement",
    "equivariance error": "equivariance/max",
    "S": "symmetry/layer/total",
    "free parameters": "free_parameters",
}
HEADS = {"label": "runs", "label_a": "a", "label_b": "b"}
MOST_ROWS = 2_000
"""Rows of one table; a longer one is left to its file."""


def labels_of(kinds: Sequence[Kind]) -> dict[str, str]:
    """Return what to call each kind: the traits and settings that vary."""
    traits = [kind.traits for kind in kinds]
    # The symmetry first: it is what most studies are about.
    names = dict.fromkeys(("symmetry", *varying(traits)))
    return {
        kind.name: " ".join(filter(None, (own[name] for name in names)))
        for kind, own in zip(kinds, traits, strict=True)
    }


def shown(interval: Interval) -> Cell:
    """Return a mean with its interval and n under the pointer."""
    if not math.isfinite(interval.mean):
        return Cell("")
    text, about = number(interval.mean), f"n = {interval.n}"
    if interval.low is not None and interval.high is not None and math.isfinite(interval.low):
        low, high = number(interval.low), number(interval.high)
        text += f" [{low}, {high}]" if low != high else ""
        about = f"95 % interval {interval.low:.6g} to {interval.high:.6g}, {about}"
    return Cell(text, interval.mean, f"{interval.mean:.8g}; {about}")


def plain(value: float, link: str = "") -> Cell:
    """Return a number alone; nothing where there is none."""
    return Cell(number(value), value, f"{value:.8g}", link) if math.isfinite(value) else Cell("")


def count(value: int) -> Cell:
    """Return a whole number."""
    return Cell(f"{value:,}", value)


def verdict_table(place: Path, decisions: Sequence[Decision]) -> Table:
    """Return a row a claim and definition."""
    rows = [
        [
            Cell(each.name, title=each.claim.text),
            Cell(each.claim.verdict, mark=each.claim.verdict),
            Cell(_by(each), link=_link(place, each.file)),
            shown(_interval(each)),
            count(each.claim.n),
            Cell("; ".join(filter(None, (each.claim.note, each.decides))), title=each.command),
        ]
        for each in decisions
    ]
    head = ("claim", "verdict", "by", "change a step [95 %]", "n", "what would decide it")
    note = (
        "Change from a group of runs to the next in the order of the claim (cfg/report.yaml); n: "
        "runs of the smallest kind. Of pairs the interval comes from drawing runs, of runs it is "
        "Student's."
    )
    source = Source("verdicts.csv", call("report", place))
    return Table("Verdicts by definition", head, rows, source, note)


def _by(decision: Decision) -> str:
    """Return the number that decides, and of which runs where there are several sets."""
    about = f" ({decision.about})" if decision.about else ""
    return f"{decision.claim.quantity}: {decision.definition}{about}"


def claims_table(place: Path, decisions: Sequence[Decision]) -> Table:
    """Return a row a claim: what all its definitions together say."""
    rows = []
    for name in dict.fromkeys(decision.name for decision in decisions):
        own = [decision for decision in decisions if decision.name == name]
        said = headline(own)
        n = least_runs(own)
        mark = Cell(said, mark=said)
        rows.append([Cell(name), mark, Cell(own[0].claim.text), Cell(agreement(own)), count(n)])
    head = ("claim", "verdict", "says", "definitions that agree", "n")
    note = "Supported or contradicted where every definition says so, else undecided."
    source = Source("verdicts.csv", call("report", place))
    return Table("Claims", head, rows, source, note)


def least_runs(decisions: Sequence[Decision]) -> int:
    """Return the smallest n of those that were measured; 0 where none was."""
    return min((each.claim.n for each in decisions if each.claim.n), default=0)


def _interval(decision: Decision) -> Interval:
    claim = decision.claim
    low, high = (None if math.isnan(v) else v for v in (claim.low, claim.high))
    return Interval(claim.value, low, high, claim.n)


def _link(place: Path, file: Path | None) -> str:
    return "" if file is None else file.relative_to(place).as_posix()


def kinds_table(place: Path, kinds: Sequence[Kind], labels: Mapping[str, str]) -> Table:
    """Return a row a kind: means over seeds of the final figures."""
    there = {h: m for h, m in FIGURES.items() if any(m in kind.means for kind in kinds)}
    rows = [
        [
            Cell(labels[kind.name]),
            count(len(kind.runs) - len(kind.unfinished)),
            *(shown(kind.means[m]) if m in kind.means else Cell("") for m in there.values()),
        ]
        for kind in kinds
    ]
    note = "Means over seeds with Student's 95 % interval; n: completed runs."
    source = Source("summary.csv", call("summary", place))
    return Table("Kinds of runs", ("runs", "n", *there), rows, source, note)


def runs_table(place: Path, kinds: Sequence[Kind], labels: Mapping[str, str]) -> Table:
    """Return a row a run, with its folder and the command that trains it."""
    runs = [(labels[kind.name], run) for kind in kinds for run in kind.runs]
    rows = [_run(place, label, run) for label, run in runs]
    head = ("runs", "seed", "state", "test accuracy", "test loss", "weights", "command")
    source = Source("summary.csv", call("summary", place))
    title = f"All {len(runs)} runs" if len(runs) > 1 else "The run"
    return Table(title, head, rows, source, folded=True)


def _run(place: Path, label: str, run: Run) -> list[Cell]:
    figures = read_figures(run.folder) if run.state == "completed" else {}
    folder = run.folder.relative_to(place).as_posix()
    accuracy, loss = (figures.get(key, math.nan) for key in ("test/accuracy", "test/loss"))
    return [
        Cell(label),
        count(run.config.seed),
        Cell(run.state, link=f"{folder}/manifest.json"),
        plain(accuracy, f"{folder}/metrics.json"),
        plain(loss, f"{folder}/metrics.json"),
        Cell(run.manifest.weights.get("final", "")[:12]),
        Cell(training_of(run)),
    ]


Row = Mapping[str, str]


def means_table(
    title: str,
    path: Path,
    source: Source,
    keys: Sequence[str],
    of: Mapping[str, str] | None = None,
    labels: Mapping[str, tuple[str, int]] | None = None,
) -> Table | None:
    """Return the means that an analysis wrote as a table; None where none is kept or too many are.

    Args:
        title: of the table.
        path: a CSV file with mean, low, high and n.
        source: of the numbers.
        keys: the columns that say what a mean is of.
        of: the rows that have these values.
        labels: what to call kinds of runs, by name.
    """
    with naming(path), path.open(encoding="utf-8", newline="") as file:
        given = (of or {}).items()
        wanted = [row for row in csv.DictReader(file) if all(row[k] == v for k, v in given)]
        rows = [
            [*(Cell(_called(row, key, labels or {})) for key in keys), *_mean(row)]
            for row in wanted
        ]
    if not 0 < len(rows) <= MOST_ROWS:
        return None
    names = [HEADS.get(key, key) for key in keys]
    return Table(title, (*names, "mean [95 %]", "n"), rows, source, folded=len(rows) > 30)


def _called(row: Row, key: str, labels: Mapping[str, tuple[str, int]]) -> str:
    """Return a cell; what a table calls a kind by is what the page calls it by."""
    name = row.get(key.replace("label", "name"), "")
    return labels[name][0] if key.startswith("label") and name in labels else row[key]


def claims_of_audit(path: Path, source: Source) -> Table | None:
    """Return the claims that an audit decided."""
    with naming(path), path.open(encoding="utf-8", newline="") as file:
        rows = [
            [
                Cell(row["text"]),
                Cell(row["quantity"]),
                _mean({**row, "mean": row["value"]})[0],
                count(int(row["n"])),
                Cell(row["verdict"], mark=row["verdict"]),
                Cell(row["note"]),
            ]
            for row in csv.DictReader(file)
        ]
    head = ("claim", "quantity", "value [95 %]", "n", "verdict", "note")
    return Table("Claims about symmetry and padding", head, rows, source) if rows else None


def _mean(row: Row) -> list[Cell]:
    mean, low, high = (float(row[key] or "nan") for key in ("mean", "low", "high"))
    n = int(row["n"])
    known = math.isfinite(low) and math.isfinite(high)
    return [shown(Interval(mean, low if known else None, high if known else None, n)), count(n)]
