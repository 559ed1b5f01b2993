"""The picture of a study whose networks were shown turned images."""

import math

import pytest

from symscape.plots.lie.turned import draw_turned, turned
from symscape.plots.read.runs import Equivariance


def rows(height, angles=(0, 45, 90)):
    return [Equivariance("angle", "", "", a, height + a / 1000, 0.5, 0.0) for a in angles]


def test_a_line_a_kind_is_the_mean_of_its_runs_which_are_thin_ones():
    figure = turned("Study", {"se2": [rows(0.1), rows(0.3)], "none": [rows(0.5)]})
    left, right = figure.axes
    assert len(right.lines) == 3 + 1 and len(left.lines) == 4
    mean = max(right.lines[:3], key=lambda line: line.get_linewidth())
    assert mean.get_ydata() == pytest.approx([0.2, 0.245, 0.29, 0.2])
    assert list(mean.get_xdata()) == [0, 45, 90, 360], "a whole turn is none"
    assert [t.get_text() for t in figure.legends[0].get_texts()] == ["se2 (n=2)", "none (n=1)"]
    assert left.lines[0].get_ydata()[0] == 50


def test_angles_that_not_all_runs_have_are_left_out():
    figure = turned("Study", {"se2": [rows(0.1), rows(0.3, (0, 90))]})
    mean = max(figure.axes[1].lines, key=lambda line: line.get_linewidth())
    assert list(mean.get_xdata()) == [0, 90, 360]
    assert not any(math.isnan(y) for y in mean.get_ydata())


def test_nothing_is_drawn_without_a_table(tmp_path):
    assert draw_turned("Study", {}, tmp_path / "turned.png") == []
