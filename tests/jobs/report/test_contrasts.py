"""Slopes along groups of runs, in closed form; how often their intervals are wrong, by simulation.

Simulated: each run brings its own number to all its pairs, and each pair one of its own.
"""

import math

import numpy as np
import pytest
from scipy import stats

from symscape.jobs.analysis.claim import decided
from symscape.jobs.report.contrasts import (
    Cell,
    contrast_of_means,
    contrast_of_pairs,
    runs_needed,
    slope_weights,
)
from symscape.landscape.intervals import Interval, mean_interval

SEEDS = 5


def pairs(a, b, values):
    return Cell(a, b, {((a, i), (b, j)): v for (i, j), v in np.ndenumerate(np.asarray(values))})


@pytest.mark.parametrize("groups", [2, 3, 4, 7])
def test_the_weights_are_those_of_least_squares(groups):
    means = np.random.default_rng(groups).normal(size=groups)
    slope = np.polyfit(range(groups), means, 1)[0]
    assert np.dot(slope_weights(groups), means) == pytest.approx(slope)


def test_two_groups_of_one_kind_are_welch_s_test():
    a, b = [1.0, 2.0, 4.0], [3.0, 3.5, 5.0, 9.0]
    found = contrast_of_means([[a], [b]])
    welch = stats.ttest_ind(b, a, equal_var=False).confidence_interval(0.95)
    assert (found.low, found.high) == pytest.approx(tuple(welch))
    assert found.mean == pytest.approx(np.mean(b) - np.mean(a)) and found.n == 3


def test_a_kind_of_many_runs_counts_no_more_than_one_of_few():
    found = contrast_of_means([[[0.0, 0.1]], [[1.0, 1.1], [3.0, 3.1, 2.9, 3.0, 3.0, 3.0]]])
    assert found.mean == pytest.approx((1.05 + 3.0) / 2 - 0.05)


def test_one_run_has_no_interval():
    assert contrast_of_means([[[1.0]], [[2.0, 3.0]]]).low is None
    assert contrast_of_pairs([[pairs("a", "b", [[1.0]])], [pairs("a", "c", [[2.0]])]]).low is None


def test_where_runs_add_up_drawing_them_gives_student_s_interval():
    """Group two is group one and a run's own number: the slope is a mean of one kind."""
    own = [0.3, -0.1, 0.5, 0.2, 0.9]
    first = pairs("a", "b", np.zeros((SEEDS, SEEDS)))
    second = pairs("c", "b", np.tile(np.array(own)[:, None], SEEDS))
    found = contrast_of_pairs([[first], [second]])
    student = mean_interval(own)
    assert found.mean == pytest.approx(student.mean)
    half = found.high - found.mean
    assert half == pytest.approx(student.high - student.mean, rel=0.05)


def test_a_run_in_both_groups_is_drawn_for_both():
    """What a shared run brings cancels: only its pairs' own numbers are left, here none."""
    shared = np.random.default_rng(0).normal(size=(SEEDS, 1))
    cells = [[pairs("a", "b", shared + np.zeros((1, SEEDS)))]]
    cells += [[pairs("a", "c", shared + np.ones((1, SEEDS)))]]
    found = contrast_of_pairs(cells)
    assert (found.low, found.high) == pytest.approx((1.0, 1.0))


def test_within_a_kind_no_run_meets_itself():
    half = {(("a", i), ("a", j)): float(i + j) for i in range(4) for j in range(i + 1, 4)}
    found = contrast_of_pairs([[Cell("a", "a", half)], [pairs("a", "b", np.ones((4, 4)))]])
    assert found.mean == pytest.approx(1.0 - 3.0) and found.low < found.mean < found.high


def drawn(generator, shift, own, noise):
    """Return flips to vanilla and flips to rot90, the second higher by `shift`."""
    effects = {kind: own * generator.normal(size=SEEDS) for kind in "hwvr"}

    def cell(a, b, height):
        alone = noise * generator.normal(size=(SEEDS, SEEDS))
        return pairs(a, b, height + effects[a][:, None] + effects[b] + alone)

    return [[cell(a, "v", 1.0) for a in "hw"], [cell(a, "r", 1.0 + shift) for a in "hw"]]


@pytest.mark.parametrize(
    ("own", "noise", "draws"), [(1.0, 0.0, 200), (1.0, 1.0, 40), (0.0, 1.0, 40)]
)
def test_of_noise_at_most_five_of_hundred_verdicts_on_pairs_are_sure(own, noise, draws):
    """Without noise of pairs they are 2.4 in hundred: t of 4 degrees in place of 8."""
    generator = np.random.default_rng(0)
    found = [contrast_of_pairs(drawn(generator, 0.0, own, noise)) for _ in range(draws)]
    sure = sum(decided("", "", each).verdict != "undecided" for each in found)
    assert sure <= 0.05 * draws


@pytest.mark.parametrize(("shift", "said"), [(4.0, "supported"), (-4.0, "not supported")])
def test_a_planted_difference_of_four_spreads_is_found(shift, said):
    generator = np.random.default_rng(8)
    found = [contrast_of_pairs(drawn(generator, shift, 1.0, 0.5)) for _ in range(100)]
    assert sum(decided("", "", each).verdict == said for each in found) >= 95


def test_of_noise_at_most_five_of_hundred_verdicts_on_means_are_sure():
    generator = np.random.default_rng(9)
    sizes = ((1.0, SEEDS), (3.0, SEEDS), (0.2, 9))
    groups = ([[s * generator.normal(size=n)] for s, n in sizes] for _ in range(1_000))
    said = [decided("", "", contrast_of_means(each)).verdict for each in groups]
    wrong = sum(each != "undecided" for each in said)
    assert wrong <= 0.06 * 1_000


def test_more_runs_decide_what_is_not_nothing():
    found = Interval(1.0, -1.0, 3.0, 5)
    n = runs_needed(found)
    spread = 2.0 / (stats.t.ppf(0.975, 4) / math.sqrt(5))
    assert stats.t.ppf(0.975, n - 1) * spread / math.sqrt(n) < 1.0
    assert stats.t.ppf(0.975, n - 2) * spread / math.sqrt(n - 1) >= 1.0
    assert runs_needed(Interval(1e-6, -1.0, 1.0, 5)) is None
    assert runs_needed(Interval(1.0, None, None, 1)) is None
