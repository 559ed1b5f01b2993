"""Symmetry by depth shows S from 0 to 1 with the null band, and never hides a missing value."""

from __future__ import annotations

import math
from collections.abc import Callable

import numpy as np
import pytest
from matplotlib.figure import Figure
from matplotlib.patches import StepPatch

from symscape.plots.symmetry import symmetry_by_depth

Readable = Callable[[Figure], list[str]]
BAND = (0.27, 0.408, 0.6)


def _values(names: list[str], value: float) -> dict[str, float]:
    return dict.fromkeys(names, value)


def test_two_panels_from_zero_to_one_with_every_layer_named(
    readable: Readable, resnet20: list[str]
) -> None:
    start, end = _values(resnet20, 0.4), _values(resnet20, 1.0)
    figure = symmetry_by_depth(
        start, end, BAND, "resnet20, seed 3", layer_start=start, layer_end=end
    )
    assert [axes.get_ylim() for axes in figure.axes] == [(0.0, 1.05)] * 2
    assert [len(axes.get_lines()) for axes in figure.axes] == [2, 2]
    texts = readable(figure)
    assert set(resnet20) <= set(texts)
    assert {"start", "end", "95 % of i.i.d. normal kernels", "their mean"} <= set(texts)
    assert texts.count("symmetry S (1 = exact)") == 2


def test_the_band_is_in_the_panel_of_the_mean_kernel_alone(resnet20: list[str]) -> None:
    values = _values(resnet20, 0.4)
    figure = symmetry_by_depth(values, values, BAND, "band", layer_end=values)
    mean_kernel, layer = figure.axes
    shade, line = (patch for patch in mean_kernel.patches if isinstance(patch, StepPatch))
    high, _, baseline = shade.get_data()
    np.testing.assert_array_equal(high, [0.6] * 19)
    np.testing.assert_array_equal(baseline, [0.27] * 19)
    np.testing.assert_array_equal(line.get_data()[0], [0.408] * 19)
    assert not layer.patches


def test_each_layer_may_have_its_own_band(readable: Readable) -> None:
    values = {"stem": 0.3, "conv1": 0.4, "conv2": 0.5}
    bands = {"stem": (0.29, 0.33, 0.4), "conv1": BAND}
    figure = symmetry_by_depth(values, values, bands, "7x7 stem")
    shade = figure.axes[0].patches[0]
    assert isinstance(shade, StepPatch)
    np.testing.assert_array_equal(shade.get_data()[0], [0.4, 0.6, np.nan])
    readable(figure)


@pytest.mark.parametrize("band", [None, {}])
def test_no_band_is_no_shade(readable: Readable, band: dict[str, object] | None) -> None:
    figure = symmetry_by_depth({"a": 0.4}, {"a": 0.5}, band, "bare")  # type: ignore[arg-type]
    assert not figure.axes[0].patches
    assert set(readable(figure)) >= {"start", "end", "a"}


def test_nan_is_a_gap_with_a_note(readable: Readable, resnet20: list[str]) -> None:
    start, end = _values(resnet20, 0.4), _values(resnet20, 0.8)
    end["stages.1.0.conv1"] = start["stages.2.2.conv2"] = end["stem.conv"] = math.nan
    figure = symmetry_by_depth(start, end, BAND, "gaps")
    drawn = np.asarray(figure.axes[0].get_lines()[1].get_ydata(), dtype=float)
    assert list(np.flatnonzero(np.isnan(drawn))) == [0, resnet20.index("stages.1.0.conv1")]
    note = "gap: S undefined (NaN) in stages.2.2.conv2, stem.conv and 1 more"
    assert note in readable(figure)


def test_109_layers_are_thinned_and_it_is_said(readable: Readable, resnet110: list[str]) -> None:
    values = _values(resnet110, 0.5)
    figure = symmetry_by_depth(values, values, BAND, "resnet110", layer_start=values)
    texts = readable(figure)
    assert "convolution, in order of depth, one name in 3 shown" in texts
    assert texts.count("stem.conv") == 1
    assert len(figure.axes[0].get_lines()[0].get_ydata()) == 109  # type: ignore[arg-type]


def test_long_names_and_one_layer_fit(readable: Readable) -> None:
    names = [f"features.denseblock1.denselayer{n}.conv2" for n in range(1, 33)]
    readable(symmetry_by_depth(_values(names, 0.4), _values(names, 0.6), BAND, "densenet"))
    readable(symmetry_by_depth({"conv": 0.4}, {"conv": 1.0}, BAND, "one layer"))
