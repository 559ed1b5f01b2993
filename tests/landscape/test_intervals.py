import itertools

import numpy as np
import pytest
from pytest import approx

from symscape.landscape.intervals import mean_interval, pairs_intervals


def pairs_interval(values, seed=0):
    data = np.array(list(values.values()))[:, None]
    return pairs_intervals(list(values), data, seed)[0]


def test_one_value_has_a_mean_and_no_interval():
    assert (mean_interval([2.0]).mean, mean_interval([2.0]).low) == (2.0, None)
    assert pairs_interval({("a", "b"): 2.0}).high is None


def test_the_interval_of_the_mean_is_the_normal_one_for_many_values():
    values = np.random.default_rng(0).normal(size=400)
    found = mean_interval(values.tolist())
    half = 1.96 * values.std() / 20
    assert (found.low, found.high) == (
        approx(values.mean() - half, abs=0.02),
        approx(values.mean() + half, abs=0.02),
    )
    assert found.n == 400


def test_the_interval_of_three_values_is_students():
    found = mean_interval([1.0, 2.0, 3.0])
    assert (found.mean, found.n) == (2.0, 3)
    assert found.high - 2 == approx(4.302652729911275 / 3**0.5)
    assert 2 - found.low == approx(found.high - 2)


def test_the_interval_of_three_seeds_holds_the_mean_as_often_as_it_says():
    draws = np.random.default_rng(3).normal(size=(4000, 3))
    covered = [found.low <= 0 <= found.high for found in map(mean_interval, draws)]
    assert 0.94 <= np.mean(covered) <= 0.96


@pytest.mark.parametrize(
    ("pairs", "known"),
    [
        ([("a", "x"), ("b", "x")], False),
        ([("a", "x"), ("a", "y")], False),
        ([("a", "x"), ("b", "y")], True),
        ([("a", "b"), ("b", "c")], True),
    ],
)
def test_a_side_of_one_run_has_no_interval(pairs, known):
    """Nothing tells how far another run on that side would move the mean."""
    [found] = pairs_intervals(pairs, np.array([[1.0], [2.0]]))
    assert (found.mean, found.n) == (1.5, 2)
    assert (found.low is not None and found.high is not None) == known


def test_pairs_of_runs_vary_more_than_independent_pairs():
    effects = np.random.default_rng(1).normal(size=12)
    within = {
        (str(i), str(j)): effects[i] + effects[j] for i, j in itertools.combinations(range(12), 2)
    }
    naive = mean_interval(list(within.values()))
    right = pairs_interval(within)
    assert right.mean == approx(naive.mean)
    assert right.high - right.low > 2 * (naive.high - naive.low)


@pytest.mark.slow
def test_the_interval_of_cross_pairs_covers_the_mean_about_as_often_as_it_says():
    generator = np.random.default_rng(2)
    covered = 0
    for trial in range(200):
        a, b = generator.normal(size=(2, 12))
        values = {(f"a{i}", f"b{j}"): a[i] + b[j] for i in range(12) for j in range(12)}
        found = pairs_interval(values, seed=trial)
        covered += found.low <= 0 <= found.high
    assert 0.85 <= covered / 200 <= 0.99


def test_the_order_of_the_pairs_does_not_matter():
    values = {(str(a), str(b)): float(3 * a + b) for a in range(3) for b in range(3, 6)}
    turned = dict(reversed(values.items()))
    first, second = pairs_interval(values), pairs_interval(turned)
    assert (first.low, first.high) == (approx(second.low), approx(second.high))
