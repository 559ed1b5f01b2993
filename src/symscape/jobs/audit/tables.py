"""From audits to tables: a row a layer, a site, a view, a pair; and means over seeds."""

from __future__ import annotations

import math
from collections import defaultdict
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any

from rich import box
from rich.console import Group, RenderableType
from rich.table import Table
from rich.text import Text

from symscape.jobs.audit.claims import claims_of
from symscape.jobs.audit.comparisons import write_comparisons
from symscape.jobs.audit.kinds import by_kind, kind_of, names_of
from symscape.jobs.audit.numbers import numbers_of
from symscape.jobs.audit.words import lines_of, title_of
from symscape.landscape.intervals import Interval, mean_interval
from symscape.runs.results import AuditResult
from symscape.runs.subjects import RunReference
from symscape.runs.tables import Row, Value, write_rows

COLUMNS = {
    "S": "S/final",
    "shape": "twin_beats_chance/final",
    "uneven": "sites_uneven",
    "defect": "defect",
    "hflip": "agreement/hflip",
    "rot90": "agreement/rot90",
    "var.": "variation/rot90",
    "shift": "agreement/shift",
    "right": "accuracy",
}
"""Of the table that a person reads first: a heading, and a number's name."""


def write_tables(folder: Path, results: Sequence[AuditResult]) -> None:
    """Write summary.csv, and a table for each quantity that was measured."""
    tables = {
        "summary.csv": _summary(results),
        "layers.csv": [row for result in results for row in _layers(result)],
        "padding.csv": [row for result in results for row in _sites(result)],
        "consistency.csv": [row for result in results for row in _views(result)],
        "mitigations.csv": [row for result in results for row in _before_after(result)],
    }
    measured = {
        "summary.csv": True,
        "layers.csv": any(result.kernels for result in results),
        "padding.csv": any(result.padding for result in results),
        "consistency.csv": any(result.consistency for result in results),
        "mitigations.csv": any(result.mitigations for result in results),
    }
    write_comparisons(folder / "comparisons.csv", results)
    if claims := claims_of(results, names_of(results)):
        write_rows(folder / "claims.csv", [claim.as_row() for claim in claims])
    for name, rows in tables.items():
        if measured[name]:
            write_rows(folder / name, rows, None if rows else ["name", "seed"])


def means_of(members: Sequence[AuditResult]) -> dict[str, Interval]:
    """Return the mean over seeds of every number."""
    values: dict[str, list[float]] = defaultdict(list)
    for result in members:
        for name, value in numbers_of(result).items():
            values[name].append(value)
    return {name: mean_interval(each) for name, each in values.items()}


def _summary(results: Sequence[AuditResult]) -> list[Row]:
    labels = names_of(results)
    return [
        {
            "label": labels[kind],
            "name": kind,
            "quantity": name,
            **interval.cells,
        }
        for kind, members in by_kind(results).items()
        for name, interval in means_of(members).items()
    ]


def _about(result: AuditResult) -> dict[str, Value]:
    seed = result.subject.seed if isinstance(result.subject, RunReference) else ""
    return {"name": kind_of(result), "seed": seed}


def _layers(result: AuditResult) -> Iterator[Row]:
    for moment, layers in result.kernels.items():
        for depth, layer in enumerate(layers):
            flat = dict(_flat({k: v for k, v in layer.items() if k != "mean_kernel"}))
            yield {**_about(result), "moment": moment, "depth": depth, **_columns(flat)}


ELEMENTS = ("hflip", "vflip", "rot90", "rot180", "rot270", "transpose", "antitranspose")
SOME = (*(f"moved_{name}" for name in ELEMENTS), "null_top", "twin_null_top")
"""Columns that not all layers have: not every element acts on every kernel, and results of earlier
versions have no `top`."""


def _columns(flat: Mapping[str, Value]) -> dict[str, Value]:
    """Give all layers the same columns."""
    some = {name: flat.get(name, "") for name in SOME}
    return {**{k: v for k, v in flat.items() if k not in SOME}, **some}


def _flat(tree: Mapping[str, Any], prefix: str = "") -> Iterator[tuple[str, Value]]:
    for key, value in tree.items():
        if isinstance(value, Mapping):
            yield from _flat(value, f"{prefix}{key}_")
        elif isinstance(value, list | tuple):
            yield f"{prefix}{key}", "x".join(map(str, value))
        else:
            yield f"{prefix}{key}", "" if value is None else value


def _sites(result: AuditResult) -> Iterator[Row]:
    for site in (result.padding or {}).get("sites", ()):
        row: dict[str, Value] = {**_about(result), "layer": site["layer"], "op": site["op"]}
        for key in ("size", "kernel", "stride", "unread", "offset", "drift"):
            row |= {f"{key}_rows": site[key][0], f"{key}_columns": site[key][1]}
        for axis, pads in zip(("rows", "columns"), site["pads"], strict=True):
            row |= {f"before_{axis}": pads[0], f"after_{axis}": pads[1]}
        yield row


def _views(result: AuditResult) -> Iterator[Row]:
    for view, each in (result.consistency or {}).get("views", {}).items():
        row: dict[str, Value] = {**_about(result), "view": view}
        for key in ("agreement", "variation", "accuracy"):
            found = each[key]
            row |= {
                key: "" if found is None else found["mean"],
                f"{key}_error": "" if found is None or found["error"] is None else found["error"],
            }
        row |= {"kappa": "" if each["kappa"] is None else each["kappa"]}
        if "border" in each:
            row |= {"border": each["border"]["mean"], "miou": each["miou"]}
        yield row


def _before_after(result: AuditResult) -> Iterator[Row]:
    """Yield every number before and after each mitigation; none was trained again."""
    numbers = numbers_of(result)
    for mitigation, found in result.mitigations.items():
        for name, before in numbers.items():
            if (after := numbers.get(f"{mitigation}: {name}")) is not None:
                yield {
                    **_about(result),
                    "mitigation": mitigation,
                    "retrained": "no",
                    "input_size": "x".join(map(str, found["input_size"])),
                    "quantity": name,
                    "before": before,
                    "after": after,
                }


def table_of(results: Sequence[AuditResult]) -> RenderableType:
    """Return a block a network, or for the runs of a study a line a kind."""
    networks = [r for r in results if not isinstance(r.subject, RunReference)]
    return Text("\n".join(map(_block, networks))) if networks else _kinds(results)


def _block(result: AuditResult) -> str:
    return "\n".join([title_of(result), *(f"{name:<12}{said}" for name, said in lines_of(result))])


def _kinds(results: Sequence[AuditResult]) -> RenderableType:
    claims = claims_of(results, names_of(results))
    decided = [c for c in claims if c.verdict != "undecided"]
    said = [f"{c.verdict:<14}{c.text} (n = {c.n})" for c in decided]
    if left := len(claims) - len(decided):
        said.append(f"undecided: {left} other claims (claims.csv)")
    said += list(_mitigated(results))
    return Group(_means(results), Text("\n".join(said))) if said else _means(results)


def _mitigated(results: Sequence[AuditResult]) -> Iterator[str]:
    """Yield a line for each kind and mitigation: means before and after."""
    labels = names_of(results)
    for kind, members in by_kind(results).items():
        means = means_of(members)
        for mitigation in dict.fromkeys(m for r in members for m in r.mitigations):
            changes = [
                f"{heading} {means[name].mean:.3g} to {means[f'{mitigation}: {name}'].mean:.3g}"
                for heading, name in COLUMNS.items()
                if name in means and f"{mitigation}: {name}" in means
            ]
            yield f"{mitigation}, not retrained ({labels[kind]}): {', '.join(changes) or 'left'}"


def _means(results: Sequence[AuditResult]) -> Table:
    title = (
        "audit at the end of training: means over seeds (summary.csv has 95 % intervals)\n"
        "S: mean kernels; shape: layers that beat chance without their mean;\n"
        "uneven: sites (convolutions, pools) whose windows lie off the middle of their map;\n"
        "defect: how far answers would move were all kernels symmetric (0: invariant; 1: as\n"
        "far as to another image's); hflip, rot90, shift: same answer; var.: of its\n"
        "probabilities under rot90"
    )
    # As narrow as it can be: eighty columns hold it.
    table = Table(
        title=title, title_justify="left", box=box.SIMPLE_HEAD, pad_edge=False, padding=(0, 0)
    )
    labels = names_of(results)
    means = {kind: means_of(members) for kind, members in by_kind(results).items()}
    there = {h: n for h, n in COLUMNS.items() if any(n in each for each in means.values())}
    for heading in ("runs", *there, "n"):
        table.add_column(heading, justify="left" if heading == "runs" else "right")
    for kind, members in by_kind(results).items():
        cells = [_cell(means[kind].get(name)) for name in there.values()]
        table.add_row(labels[kind], *cells, str(len(members)))
    return table


def _cell(interval: Interval | None) -> str:
    if interval is None or math.isnan(interval.mean):
        return ""
    return f"{interval.mean:.3g}"
