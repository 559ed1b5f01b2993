"""The symmetry of a network's kernels: against definitions and against chance."""

import math

import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st
from scipy import stats

from symscape.audit.kernels import (
    CHUNK,
    Convolution,
    measure_kernels,
)
from symscape.symmetry.groups import ELEMENTS, SWAPS_AXES, distinct_elements
from symscape.symmetry.isotypic import isotypic_energies
from symscape.symmetry.measures import null_band, symmetry_score
from tests.audit.kernel_numbers import SIZES, draw, measure, missing, numbers, same, seeds, shapes


@pytest.mark.parametrize("size", SIZES)
def test_the_mean_kernel_has_the_score_and_the_energies_of_their_definitions(size):
    kernel = draw(0, 6, 5, *size)
    found, mean = measure(kernel), kernel.mean((0, 1))
    elements = distinct_elements(size)
    assert found.score == pytest.approx(symmetry_score(mean, elements), abs=1e-9)
    assert found.twin == pytest.approx(symmetry_score(mean - mean.mean(), elements), abs=1e-9)
    assert found.energies == pytest.approx(isotypic_energies(mean), abs=1e-9, nan_ok=True)
    assert tuple(found.moved) == elements
    for element, distance in found.moved.items():
        expected = (ELEMENTS[element](mean) - mean).norm() / mean.norm() / 2
        assert distance == pytest.approx(expected.item(), abs=1e-9)
    assert (found.kernel_size, found.filters) == (size, 30)
    assert found.null == null_band(size, elements)
    assert found.twin_null == null_band(size, elements, demeaned=True)


@pytest.mark.parametrize("size", SIZES)
def test_single_is_the_mean_score_of_the_filters_that_are_not_zero(size):
    kernel = draw(1, 7, 5, *size)
    kernel[2, 3] = kernel[4] = 0
    kernel[5, 1] *= 1e-30
    scores = [symmetry_score(k, distinct_elements(size)) for k in kernel.flatten(0, 1)]
    assert sum(math.isnan(s) for s in scores) == 6
    scores = [s for s in scores if not math.isnan(s)]
    assert measure(kernel).single == pytest.approx(sum(scores) / len(scores), abs=1e-9)


def test_a_kernel_larger_than_a_chunk_is_measured_whole():
    kernel = draw(2, 160, 100, 3, 3).float()
    assert kernel.numel() > CHUNK
    found, mean = measure(kernel, torch.ones(160)), kernel.double().mean((0, 1))
    assert found.score == pytest.approx(symmetry_score(mean, tuple(found.moved)), abs=1e-12)
    assert found.folded == pytest.approx(found.score, abs=1e-12)
    share = 16_000 * mean.square().sum() / kernel.double().square().sum()
    assert found.strength == pytest.approx(share.item(), rel=1e-9)
    # Each filter is a normal draw, as the null's are.
    assert found.single == pytest.approx(found.null.mean, abs=0.003)


@given(seeds, shapes)
def test_every_number_has_its_range(seed, shape):
    found = measure(draw(seed, *shape), draw(seed + 1, shape[0]))
    assert not found.reason
    assert missing(found) <= {"twin_p", "strength_p"}
    assert {"strength_p"} & missing(found) == ({"strength_p"} if found.filters == 1 else set())
    for name, value in numbers(found).items():
        low = -1 if name.startswith("skew") else 0
        assert math.isnan(value) or low - 1e-12 <= value <= 1 + 1e-12, name


@given(seeds, shapes, st.floats(1e-200, 1e200), st.sampled_from([-1, 1]))
def test_nothing_depends_on_the_unit_or_the_sign_of_the_weights(seed, shape, unit, sign):
    kernel, scale = draw(seed, *shape), draw(seed + 1, shape[0])
    same(measure(kernel * unit * sign, scale / unit), measure(kernel, scale))


@given(seeds, shapes, st.sampled_from(list(ELEMENTS)))
def test_a_network_seen_in_a_mirror_is_as_symmetric_and_skewed_the_other_way(seed, shape, element):
    if shape[2] != shape[3] and element in SWAPS_AXES:
        element = "rot180"
    kernel = draw(seed, *shape)
    found, seen = measure(kernel), measure(ELEMENTS[element](kernel))
    skew = {
        "identity": (found.skew_rows, found.skew_columns),
        "hflip": (found.skew_rows, -found.skew_columns),
        "vflip": (-found.skew_rows, found.skew_columns),
        "rot180": (-found.skew_rows, -found.skew_columns),
        "transpose": (found.skew_columns, found.skew_rows),
        "antitranspose": (-found.skew_columns, -found.skew_rows),
        "rot90": (-found.skew_columns, found.skew_rows),
        "rot270": (found.skew_columns, -found.skew_rows),
    }[element]
    assert (seen.skew_rows, seen.skew_columns) == pytest.approx(skew, abs=1e-9)
    for name in ("score", "twin", "p", "twin_p", "strength", "single"):
        a, b = getattr(found, name), getattr(seen, name)
        assert a == pytest.approx(b, abs=1e-9, nan_ok=True), name
    assert seen.energies == pytest.approx(found.energies, abs=1e-9, nan_ok=True)


@pytest.mark.parametrize(
    ("taps", "rows", "columns"),
    [
        ([[1, 0, 0], [0, 0, 0], [0, 0, 0]], -1, -1),
        ([[0, 0, 0], [0, 0, -2], [0, 0, 0]], 0, 1),
        ([[0, 0, 0], [0, 0, 0], [-1, 0, 1]], 1, 0),
        ([[0, 0, 0, 3]], 0, 1),
        ([[3], [0], [0], [-1]], -0.5, 0),
    ],
)
def test_skew_is_positive_down_and_right_whatever_the_signs(taps, rows, columns):
    found = measure(torch.tensor([[taps]]).float())
    assert (found.skew_rows, found.skew_columns) == pytest.approx((rows, columns), abs=1e-12)


# Chance


@pytest.mark.parametrize("size", [(3, 3), (4, 4), (3, 5), (1, 3), (4, 1)])
def test_chances_are_uniform_where_chance_alone_made_the_weights(size):
    layers = [
        Convolution(str(i), kernel, (1, 1)) for i, kernel in enumerate(draw(3, 300, 3, 2, *size))
    ]
    found = measure_kernels(layers)
    for name in ("p", "twin_p", "strength_p"):
        values = [getattr(layer, name) for layer in found]
        assert stats.kstest(values, "uniform").pvalue > 0.005, name
    for null, name in (("null", "score"), ("twin_null", "twin")):
        inside = [getattr(m, null).low <= getattr(m, name) <= getattr(m, null).high for m in found]
        assert sum(inside) / len(inside) == pytest.approx(0.95, abs=0.035)
    assert sum(layer.common for layer in found) / len(found) == pytest.approx(0.05, abs=0.035)


def test_chances_are_tails_of_beta_distributions():
    """3x3: 3 orbits of 9 taps; the twin lost one of either; 30 filters."""
    found = measure(draw(4, 5, 6, 3, 3))
    invariant, offset = found.energies["A1"], found.energies["offset"]
    assert found.p == pytest.approx(stats.beta(3 / 2, 6 / 2).sf(invariant))
    twin = (invariant - offset) / (1 - offset)
    assert found.twin_p == pytest.approx(stats.beta(2 / 2, 6 / 2).sf(twin))
    assert found.strength_p == pytest.approx(stats.beta(9 / 2, 29 * 9 / 2).sf(found.strength))


def test_an_offset_raises_the_score_and_not_the_twin():
    kernel = draw(5, 8, 8, 3, 3)
    plain, lifted = measure(kernel), measure(kernel + 3)
    assert lifted.score > 0.9 > plain.score
    assert lifted.p < 1e-3 < plain.p
    assert (lifted.twin, lifted.twin_p) == pytest.approx((plain.twin, plain.twin_p), abs=1e-9)
    assert lifted.energies["offset"] > 0.95
    assert lifted.common
    assert not plain.common


def test_filters_that_are_all_alike_share_all_of_it():
    kernel = draw(6, 1, 1, 3, 3).expand(4, 5, 3, 3)
    found = measure(kernel)
    assert found.strength == pytest.approx(1)
    assert found.strength_p < 1e-12
    assert found.common
    assert found.single == pytest.approx(found.score)


def test_a_symmetric_kernel_scores_one_and_chance_has_none_of_it():
    kernel = draw(7, 4, 4, 3, 3)
    symmetric = sum(act(kernel) for act in ELEMENTS.values())
    found = measure(symmetric)
    assert (found.score, found.twin, found.single) == pytest.approx((1, 1, 1), abs=1e-12)
    assert found.p < 1e-20
    assert found.energies["A1"] == pytest.approx(1)


def test_rounding_above_a_share_of_one_has_a_chance_too():
    layers = [
        Convolution("", sum(act(k) for act in ELEMENTS.values()).expand(3, 5, 3, 3), (1, 1))
        for k in draw(23, 50, 1, 1, 3, 3)
    ]
    found = measure_kernels(layers)
    assert max(layer.energies["A1"] for layer in found) > 1
    assert max(layer.strength for layer in found) > 1
    for layer in found:
        assert (layer.p, layer.twin_p, layer.strength_p) == pytest.approx((0, 0, 0), abs=1e-20)
