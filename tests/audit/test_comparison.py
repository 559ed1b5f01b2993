"""Two networks on the same images: McNemar, paired differences."""

import math

import pytest
import torch
from pytest import approx
from scipy.stats import binomtest

from symscape.audit.comparison import compare, mcnemar, mean_difference
from symscape.audit.consistency import (
    measure_consistency,
)
from symscape.errors import SymscapeError
from tests.audit.answers import images, labels, small_network

# Two networks on the same images.


def split(first_only, second_only, both=3, neither=2):
    first = [True] * (first_only + both) + [False] * (second_only + neither)
    second = [False] * first_only + [True] * (both + second_only) + [False] * neither
    return first, second


def test_mcnemar_of_10_to_2_is_0385742():
    found = mcnemar(*split(10, 2))
    assert (found.first_only, found.second_only) == (10, 2)
    assert found.p == approx(0.0385742, abs=5e-8)
    assert found.p == approx(2 * sum(math.comb(12, k) for k in range(3)) / 2**12)


@pytest.mark.parametrize(("first", "second"), [(0, 1), (3, 3), (5, 0), (7, 20)])
def test_mcnemar_is_the_binomial_test_of_the_images_that_differ(first, second):
    assert mcnemar(*split(first, second)).p == approx(binomtest(first, first + second).pvalue)
    assert mcnemar(*split(second, first)).p == approx(mcnemar(*split(first, second)).p)


def test_networks_that_differ_nowhere_have_p_1():
    assert mcnemar([True, False], [True, False]).p == 1


def test_a_difference_is_paired():
    found = mean_difference([0.0, 0.5, 1.0], [0.25, 0.5, 0.5])
    differences = torch.tensor([0.25, 0.0, -0.5], dtype=torch.float64)
    assert found.mean == approx(differences.mean().item())
    assert found.error == approx(differences.std().item() / 3**0.5)
    assert math.isnan(mean_difference([1.0], [0.5]).error)


@pytest.mark.parametrize("lengths", [(3, 2), (2, 3), (0, 0), (1, 3)])
def test_other_images_are_refused(lengths):
    first, second = ([1.0] * length for length in lengths)
    for pair in (mcnemar, mean_difference):
        with pytest.raises(SymscapeError, match=f"^images: {lengths[0]} of the first network"):
            pair(first, second)


def test_mcnemar_refuses_what_is_not_right_or_wrong():
    with pytest.raises(ValueError, match="0 and 1"):
        mcnemar([0.5], [1.0])


def test_two_networks_are_compared_in_every_view():
    x, y = images(40), labels(40)
    first, second = (
        measure_consistency(small_network(seed=s, bias=0.5), [(x, y)], shifts=1) for s in (0, 1)
    )
    rows = {(row.view, row.quantity): row for row in compare(first, second)}
    assert len(rows) == 1 + 7 * 3
    a, b = first.accuracy.values, second.accuracy.values
    assert rows["images", "accuracy"].test == mcnemar(a, b)
    assert rows["images", "accuracy"].difference.mean == approx(
        second.accuracy.mean - first.accuracy.mean
    )
    flips = [each.views["hflip"].agreement.values for each in (first, second)]
    assert rows["hflip", "agreement"].test == mcnemar(*flips)
    assert 0 < rows["hflip", "agreement"].test.p < 1
    assert rows["roll", "variation"].test is None
    # Of moves the test is that of images with one answer to all views.
    steady = [[v == 1 for v in each.views["roll"].agreement.values] for each in (first, second)]
    assert 0 < sum(steady[0]) < 40
    assert rows["roll", "agreement"].test == mcnemar(*steady)


def test_what_one_network_lacks_is_not_compared():
    x = images(4)
    first = measure_consistency(small_network(), [(x, labels(4))], shifts=1)
    second = measure_consistency(small_network(), [(x, None)], shifts=1)
    assert {row.quantity for row in compare(first, second)} == {"agreement", "variation"}


def test_moves_of_other_lengths_are_not_compared():
    x = images(4)
    first, second = (measure_consistency(small_network(), [(x, None)], shifts=m) for m in (1, 2))
    with pytest.raises(SymscapeError, match=r"^shifts: 1 of the first network, 2 of the second"):
        compare(first, second)
