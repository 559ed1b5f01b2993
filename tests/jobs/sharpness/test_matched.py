"""Curvature at equal train loss: between kept weights, never beyond them."""

import csv

import pytest
from hypothesis import given
from hypothesis import strategies as st
from pytest import approx
from rich.console import Console

from symscape.jobs.sharpness.matched import (
    SYMMETRY,
    at_loss,
    levels_of,
    matched,
    matched_table,
    write_matched,
)
from symscape.runs.results import SharpnessResult
from symscape.runs.subjects import RunReference

TOP = "own/none/eigenvalue_1"


def point(loss, top=1.0, step=0, symmetry=0.5):
    found = {"values": [top], "residuals": [0.0], "converged": True, "products": 5}
    measures = [{"subspace": "own", "scaling": "none", "dimension": 3, "eigenvalues": found}]
    rest = {} if symmetry is None else {"symmetry": symmetry}
    return {"step": step, "loss": loss, "learning_rate": 0.1, "measures": measures, **rest}


def result(losses, kind="vanilla", seed=0, slope=2.0, **more) -> SharpnessResult:
    """A training whose largest eigenvalue is `slope` times its loss."""
    run = RunReference(f"{kind}/{seed}", "s", f"data-{kind}", seed, "m", kind, "none", "w")
    points = [point(loss, slope * loss, step, **more) for step, loss in enumerate(losses)]
    return SharpnessResult(run=run, points=points, images={}, batchnorm="none")


losses = st.lists(st.floats(0.01, 10.0), min_size=2, max_size=8)


@given(losses, st.floats(0.01, 10.0))
def test_a_number_that_is_linear_in_the_loss_is_found_exactly_and_nothing_beyond(run, level):
    found = at_loss(result(run).points, level)
    # Passed: some weights above, and later ones at or below.
    passes = any(run[i] > level >= run[i + 1] for i in range(len(run) - 1))
    assert (found is not None) is passes
    if found is not None:
        assert found[TOP] == approx(2 * level) and found[SYMMETRY] == 0.5


def test_the_first_time_that_a_loss_is_reached_counts():
    found = at_loss(result([2.0, 1.0, 3.0, 0.5]).points, 1.5)
    assert found is not None and found["step"] == approx(0.5)


@given(st.lists(losses, min_size=1, max_size=4))
def test_levels_are_passed_by_every_training(runs):
    results = [result(run, seed=i) for i, run in enumerate(runs)]
    for level in levels_of(results):
        assert all(at_loss(r.points, level) is not None for r in results)


def test_kinds_are_compared_at_levels_that_all_reach():
    results = [
        *(result([2.3, 1.0, 0.2], "vanilla", seed, slope=2.0) for seed in range(3)),
        *(result([2.2, 1.5, 0.8], "rot90", seed, slope=1.0 + 0.1 * seed) for seed in range(3)),
    ]
    rows = matched(results)
    assert min(row.loss for row in rows) == approx(0.8) and max(row.loss for row in rows) < 2.2
    lowest = {row.kind: row for row in rows if row.loss == approx(0.8) and row.name == TOP}
    assert lowest["data-vanilla"].interval.mean == approx(1.6)
    assert lowest["data-rot90"].interval.mean == approx(0.88)
    assert lowest["data-rot90"].interval.n == 3 and lowest["data-rot90"].step == approx(2)


def test_trainings_without_a_common_loss_are_not_compared(tmp_path):
    results = [result([2.3, 2.0]), result([1.9, 1.0], "rot90")]
    assert levels_of(results) == [] and matched(results) == []
    assert "no train loss that all" in str(matched_table(results))
    write_matched(tmp_path, results)
    assert len((tmp_path / "matched.csv").read_text().splitlines()) == 1


def test_the_table_says_where_and_the_file_has_every_row(tmp_path):
    results = [result([2.3, 1.0, 0.2]), result([2.2, 0.8], "rot90", symmetry=None)]
    console = Console(record=True, width=100)
    console.print(matched_table(results))
    text = console.export_text()
    assert "at train loss 0.8, first time" in text and "learning rates differ" in text
    assert "kernels/symmetry" in text
    write_matched(tmp_path, results)
    with (tmp_path / "matched.csv").open() as file:
        rows = list(csv.DictReader(file))
    assert {row["quantity"] for row in rows if row["label"] == "rot90"} == {"eigenvalue_1"}
    assert {row["quantity"] for row in rows} == {"eigenvalue_1", "symmetry"}


@pytest.mark.parametrize("first", [float("nan"), 0.0])
def test_a_loss_that_is_no_positive_number_gives_no_levels(first):
    assert levels_of([result([first, first])]) == []
