"""Training curves show what was measured, say what was not, and choose the honest axis."""

from __future__ import annotations

import math
from collections.abc import Callable

import numpy as np
import pytest
from matplotlib.figure import Figure

from symscape.plots.training import log_pays, training_curves

Readable = Callable[[Figure], list[str]]
Rows = list[dict[str, float]]


def test_four_panels_have_their_lines_labels_and_units(readable: Readable, rows: Rows) -> None:
    figure = training_curves(rows, "cifar10-resnet20-rot90-standard, seed 3")
    assert [len(axes.get_lines()) for axes in figure.axes] == [2, 2, 1, 2]
    texts = readable(figure)
    assert {"loss (nats)", "accuracy (%)", "learning rate", "symmetry S (1 = exact)"} <= set(texts)
    assert texts.count("epoch") == 2
    assert "val (last 91.88 %)" in texts


def test_accuracy_is_in_percent_and_missing_epochs_are_passed_over(rows: Rows) -> None:
    _, val = training_curves(rows, "run").axes[1].get_lines()
    np.testing.assert_array_equal(val.get_xdata(), np.arange(5, 61, 5))
    expected = np.array([100 * row["val/accuracy"] for row in rows[4::5]])
    np.testing.assert_allclose(np.asarray(val.get_ydata(), dtype=float), expected)
    assert val.get_marker() == "o"


def test_one_epoch_is_a_marker_on_a_whole_tick(readable: Readable, rows: Rows) -> None:
    figure = training_curves(rows[:1], "one epoch")
    assert {line.get_marker() for axes in figure.axes for line in axes.get_lines()} == {"o"}
    assert [axes.get_yscale() for axes in figure.axes] == ["linear"] * 4
    assert "1" in readable(figure)


def test_what_was_not_measured_is_said(readable: Readable) -> None:
    figure = training_curves([{"epoch": 1.0, "train/loss": 2.0}, {"epoch": 2.0}], "bare")
    assert readable(figure).count("not measured") == 3


def test_no_epoch_at_all_is_still_a_figure(readable: Readable) -> None:
    assert readable(training_curves([], "empty")).count("not measured") == 4


def test_a_diverged_loss_breaks_the_line_and_is_counted(readable: Readable) -> None:
    losses = [2.0, 1.5, math.nan, math.inf]
    rows = [{"epoch": float(i), "train/loss": loss} for i, loss in enumerate(losses, 1)]
    figure = training_curves(rows, "diverged")
    drawn = np.asarray(figure.axes[0].get_lines()[0].get_ydata(), dtype=float)
    np.testing.assert_array_equal(drawn, [2.0, 1.5, np.nan, np.nan])
    assert "2 values not finite" in readable(figure)


@pytest.mark.parametrize(
    ("values", "expected"),
    [
        ([0.1] * 80 + [0.01] * 40 + [0.001] * 40, True),
        (list(0.05 * (1 + np.cos(np.pi * np.arange(200) / 200))), False),
        (list(2.3 * np.exp(-5 * np.arange(60) / 60)), True),
        ([0.1] * 60, False),
        ([1.0] * 10 + [0.0] * 10, False),
        ([1.0, 0.001], False),
        ([], False),
    ],
    ids=["step", "cosine", "falling loss", "constant", "zero", "two values", "none"],
)
def test_a_log_axis_is_for_values_that_a_linear_one_would_squash(
    values: list[float], expected: bool
) -> None:
    assert log_pays(np.array(values)) is expected


def test_one_line_that_needs_a_log_axis_is_enough(rows: Rows) -> None:
    high = [{**row, "val/loss": 0.4} for row in rows]
    assert training_curves(high, "train falls").axes[0].get_yscale() == "log"
    touching = [*high[:-1], {**high[-1], "train/loss": 0.0}]
    assert training_curves(touching, "zero").axes[0].get_yscale() == "linear"


@pytest.mark.parametrize("lowest", [0.001, 1e-6])
def test_a_log_axis_has_labels_for_few_and_many_decades(readable: Readable, lowest: float) -> None:
    rates = np.geomspace(0.1, lowest, 40)
    rows = [{"epoch": float(i), "lr": float(rate)} for i, rate in enumerate(rates, 1)]
    figure = training_curves(rows, "exponential")
    assert figure.axes[2].get_yscale() == "log"
    assert {"0.1", f"{lowest:g}"} <= set(readable(figure))


def test_a_long_title_wraps(readable: Readable, rows: Rows) -> None:
    readable(training_curves(rows, "cifar10-resnet20-random-like-rot90-" * 5 + "standard, seed 12"))
