"""From curvature results to tables: a row a number, and means over seeds with intervals."""

from __future__ import annotations

import math
from collections import defaultdict
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from rich import box
from rich.table import Table

from symscape.jobs.analysis.labels import by_kind, labels_of
from symscape.jobs.console import shown
from symscape.landscape.intervals import Interval, mean_interval
from symscape.runs.results import SharpnessResult
from symscape.runs.subjects import NetworkReference
from symscape.runs.tables import Row, Value, write_rows

ABOUT = ("step", "loss", "gradient_norm", "learning_rate")
"""Of a point, in every row; empty where nothing is known of the training."""
UNEQUAL = 1.1
"""Ratio of mean train losses from which a comparison is warned about."""


@dataclass(frozen=True)
class Number:
    """One number of one run, with what makes it believable."""

    subspace: str
    scaling: str
    quantity: str
    value: float
    dimension: int
    error: float
    """Relative residual of an eigenvalue; standard error of a trace or a mean; nan: none known."""
    converged: bool
    products: int

    @property
    def name(self) -> str:
        """Subspace, scaling and quantity."""
        return f"{self.subspace}/{self.scaling}/{self.quantity}"


def numbers_of(point: dict[str, Any]) -> list[Number]:
    """Return all numbers of one point of a result."""
    return [n for measures in point["measures"] for n in _numbers(measures)]


def _numbers(measures: dict[str, Any]) -> Iterator[Number]:
    def number(
        quantity: str, value: float | None, error: float | None, converged: bool, products: int
    ) -> Number:
        return Number(
            subspace=measures["subspace"],
            scaling=measures["scaling"],
            quantity=quantity,
            value=math.nan if value is None else value,
            dimension=measures["dimension"],
            error=math.nan if error is None else error,
            converged=converged,
            products=products,
        )

    if found := measures.get("eigenvalues"):
        pairs = zip(found["values"], found["residuals"], strict=True)
        for i, (value, residual) in enumerate(pairs, start=1):
            done = found["converged"]
            yield number(f"eigenvalue_{i}", value, residual, done, found["products"])
    if found := measures.get("trace"):
        error, n = found["standard_error"], measures["dimension"]
        yield number("trace", found["value"], error, True, found["products"])
        yield number("trace/dimension", found["value"] / n, error / n, True, found["products"])
    if found := measures.get("random_ascent"):
        rows = zip(
            found["epsilons"],
            found["mean"],
            found["largest"],
            found["standard_error"],
            strict=True,
        )
        for epsilon, mean, largest, error in rows:
            yield number(f"random_ascent_mean@{epsilon:g}", mean, error, True, 0)
            yield number(f"random_ascent_max@{epsilon:g}", largest, None, True, 0)
    for ball in measures.get("worst_case", {}).get("balls", ()):
        yield number(f"worst_case@{ball['radius']:g}", ball["rise"], None, True, 0)


def write_tables(folder: Path, results: Sequence[SharpnessResult]) -> None:
    """Write `sharpness.csv`, a row a number, and `summary.csv`, a row a mean over seeds."""
    labels = labels_of([result.run for result in results])
    write_rows(folder / "sharpness.csv", [row for r in results for row in _rows(r)])
    rows: list[Row] = []
    for kind, members in by_kind(results).items():
        for (step, name), interval in means_of(members).items():
            subspace, scaling, quantity = name.split("/", 2)
            rows.append(
                {
                    "label": labels[kind],
                    "name": kind,
                    "step": step,
                    "subspace": subspace,
                    "scaling": scaling,
                    "quantity": quantity,
                    **interval.cells,
                    "unconverged": _unconverged(members, step, name),
                }
            )
    write_rows(folder / "summary.csv", rows)


def _rows(result: SharpnessResult) -> Iterator[Row]:
    run = result.run
    for point in result.points:
        about: dict[str, Value] = {
            "name": run.name,
            "symmetry": run.symmetry,
            "augment": run.augment,
            "seed": run.seed,
            **{key: "" if point[key] is None else point[key] for key in ABOUT},
        }
        for n in numbers_of(point):
            yield {**about, **vars(n)}


def means_of(members: Sequence[SharpnessResult]) -> dict[tuple[int, str], Interval]:
    """Return the mean over seeds of every number, by step and name."""
    values: dict[tuple[int, str], list[float]] = defaultdict(list)
    for result in members:
        for point in result.points:
            # The end of a run is one point, whatever its number of steps.
            step = point["step"] if len(result.points) > 1 else -1
            for n in numbers_of(point):
                values[step, n.name].append(n.value)
    return {key: mean_interval(each) for key, each in values.items()}


def _unconverged(members: Sequence[SharpnessResult], step: int, name: str) -> int:
    return sum(
        n.name == name and not n.converged
        for result in members
        for point in result.points
        if step in (-1, point["step"])
        for n in numbers_of(point)
    )


def table_of(results: Sequence[SharpnessResult]) -> Table:
    """Return the means at the end of the runs: largest eigenvalue and trace, with the loss."""
    title = "curvature at the end of training: mean [95 %] over seeds; * not converged"
    if isinstance(results[0].run, NetworkReference):
        title = "curvature; * not converged"
    table = Table(title=title, title_justify="left", box=box.SIMPLE_HEAD, pad_edge=False)
    first = results[0].points[-1]
    names = [n.name for n in numbers_of(first) if not n.quantity.startswith("eigenvalue_")]
    names = [n.name for n in numbers_of(first) if n.quantity == "eigenvalue_1"] + names
    names = [n for n in names if n.split("/", 2)[2] in ("eigenvalue_1", "trace") or "@" in n]
    for i, column in enumerate(("runs", "measure", "mean [95 %]", "train loss", "n")):
        table.add_column(column, justify="right" if i > 1 else "left")
    labels = labels_of([result.run for result in results])
    for name in names:
        for kind, members in by_kind(results).items():
            numbers = [n for r in members for n in numbers_of(r.points[-1]) if n.name == name]
            if not numbers:
                continue
            loss = mean_interval([r.points[-1]["loss"] for r in members]).mean
            star = "" if all(n.converged for n in numbers) else " *"
            text = shown(mean_interval([n.value for n in numbers])) + star
            if len(numbers) == 1 and numbers[0].quantity == "trace":
                text += f" ± {numbers[0].error:.3f}"
            table.add_row(labels[kind], name, text, f"{loss:.4f}", str(len(numbers)))
    return table


def warnings_of(results: Sequence[SharpnessResult]) -> list[str]:
    """Return what a reader should know before comparing."""
    labels = labels_of([result.run for result in results])
    losses = {
        labels[kind]: sum(r.points[-1]["loss"] for r in members) / len(members)
        for kind, members in by_kind(results).items()
    }
    found = []
    low, high = min(losses.values()), max(losses.values())
    if len(losses) > 1 and high > UNEQUAL * low:
        each = ", ".join(f"{label} {loss:.3f}" for label, loss in losses.items())
        found.append(f"train losses differ ({each}): curvature falls and rises with the loss")
    count = sum(not n.converged for r in results for point in r.points for n in numbers_of(point))
    if count:
        found.append(f"{count} eigenvalues did not converge; max_products=... gives them more")
    return found
