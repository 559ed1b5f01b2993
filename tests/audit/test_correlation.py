"""Rank correlation within strata, its interval and p, and what an interval says of a claim."""

import math
from itertools import permutations, product

import numpy as np
import pytest
from pytest import approx
from scipy.stats import kstest, pearsonr, rankdata, spearmanr

from symscape.audit.correlation import EXACT, correlation_within, verdict


def strata_of(sizes):
    return [name for name, size in enumerate(sizes) for _ in range(size)]


def normal(sizes, slope=0.0, seed=0):
    """Return x, y, strata: y = slope x + noise + a constant of the stratum."""
    generator = np.random.default_rng(seed)
    strata = strata_of(sizes)
    x, noise = generator.normal(size=(2, len(strata)))
    return x, slope * x + noise + 100 * np.array(strata), strata


def centred_ranks(values, strata):
    ranks = np.empty(len(values))
    for stratum in set(strata):
        rows = [i for i, each in enumerate(strata) if each == stratum]
        ranks[rows] = rankdata(values[rows])
        ranks[rows] -= ranks[rows].mean()
    return ranks


def all_orders(y, strata):
    """Yield y in every order that stays within the strata."""
    rows = [[i for i, s in enumerate(strata) if s == name] for name in dict.fromkeys(strata)]
    for orders in product(*(permutations(each) for each in rows)):
        moved = y.copy()
        for each, order in zip(rows, orders, strict=True):
            moved[each] = y[list(order)]
        yield moved


@pytest.mark.parametrize("sizes", [(5, 5, 5), (3, 7, 2), (12, 10), (6,)])
def test_it_is_pearsons_of_centred_ranks(sizes):
    x, y, strata = normal(sizes, slope=1)
    x = np.round(x, 1)  # with ties
    found = correlation_within(x, y, strata)
    assert found.r == approx(pearsonr(centred_ranks(x, strata), centred_ranks(y, strata))[0])
    assert (found.runs, found.strata, found.reason) == (sum(sizes), len(sizes), "")


def test_it_is_the_partial_correlation_of_ranks_given_the_stratum():
    sizes = (5, 4, 6)
    x, y, strata = normal(sizes, slope=0.5)
    dummies = np.eye(3)[strata]
    ranks = np.stack([np.concatenate([rankdata(v[np.array(strata) == s]) for s in range(3)])
                      for v in (x, y)], 1)  # fmt: skip
    residuals = ranks - dummies @ np.linalg.lstsq(dummies, ranks, rcond=None)[0]
    expected = np.corrcoef(residuals.T)[0, 1]
    assert correlation_within(x, y, strata).r == approx(expected)


def test_one_stratum_is_spearmans():
    x, y, strata = normal((9,), slope=1)
    assert correlation_within(x, y, strata).r == approx(spearmanr(x, y).statistic)


def test_what_differs_between_strata_alone_does_not_count():
    """Strata far apart in both, in which nothing hangs together."""
    x, y, strata = normal((5,) * 8)
    x = x + 100 * np.array(strata)
    assert spearmanr(x, y).statistic > 0.9
    assert abs(correlation_within(x, y, strata).r) < 0.4


def test_only_the_order_within_a_stratum_counts():
    x, y, strata = normal((5, 6), slope=1)
    found = correlation_within(x, y, strata)
    assert correlation_within(np.exp(x), y**3, strata) == found
    assert correlation_within(-x, y, strata).r == approx(-found.r)
    order = np.random.default_rng(0).permutation(11)
    mixed = correlation_within(x[order], y[order], [strata[i] for i in order])
    assert (mixed.r, mixed.p) == (approx(found.r), approx(found.p))


def test_the_interval_is_fishers_with_n_less_g_less_2():
    x, y, strata = normal((5, 5, 5), slope=0.5)
    found = correlation_within(x, y, strata)
    half = 1.959963984540054 / math.sqrt(15 - 3 - 2)
    assert math.atanh(found.low) == approx(math.atanh(found.r) - half)
    assert math.atanh(found.high) == approx(math.atanh(found.r) + half)


def test_the_interval_of_one_stratum_is_scipys():
    x, y, strata = normal((9,), slope=1)
    expected = pearsonr(rankdata(x), rankdata(y)).confidence_interval(0.95)
    found = correlation_within(x, y, strata)
    assert (found.low, found.high) == (approx(expected.low), approx(expected.high))


def test_the_interval_of_unrelated_runs_holds_0_about_as_often_as_it_says():
    covered = 0
    for seed in range(400):
        found = correlation_within(*normal((5,) * 6, seed=seed))
        covered += found.low <= 0 <= found.high
    assert 0.92 <= covered / 400 <= 0.98


@pytest.mark.parametrize("sizes", [(3, 4), (2, 2, 3), (5,)])
def test_p_counts_all_orders_within_strata(sizes):
    x, y, strata = normal(sizes, slope=0.7, seed=4)
    y[1] = y[0]  # a tie
    rx = centred_ranks(x, strata)
    sums = [abs(rx @ centred_ranks(moved, strata)) for moved in all_orders(y, strata)]
    expected = np.mean(np.array(sums) >= abs(rx @ centred_ranks(y, strata)) - 1e-9)
    assert correlation_within(x, y, strata).p == approx(expected)


def test_p_counts_all_orders_where_ties_make_the_sums_lopsided():
    """Doubled ranks (-1, -1, 2) and (-2, 1, 1): the sums are -6 in one order of three, else 3."""
    assert correlation_within([1, 1, 2], [1, 2, 2], "aaa").p == 1
    assert correlation_within([1, 1, 2], [2, 2, 1], "aaa").p == approx(1 / 3)


def test_a_p_as_small_comes_as_seldom_as_it_says():
    """Exactly, over all orders: what makes p a p."""
    x, y, strata = normal((3, 4))
    ps = np.array([correlation_within(x, moved, strata).p for moved in all_orders(y, strata)])
    assert len(ps) == 144
    assert len(set(ps.round(9))) == 8
    for level in set(ps.round(9)):
        assert np.mean(ps <= level + 1e-8) == approx(level)


def test_twelve_strata_of_five_runs_in_the_same_order_are_2_of_120_to_the_12():
    strata = strata_of((5,) * 12)
    x = np.arange(60.0)
    found = correlation_within(x, -x, strata)
    assert found.r == -1
    assert found.p == approx(2 / 120**12)


def test_drawn_p_are_uniform_where_nothing_hangs_together():
    ps = [
        correlation_within(*normal((EXACT + 1, 30), seed=seed), draws=199, seed=seed).p
        for seed in range(200)
    ]
    assert kstest(ps, "uniform").pvalue > 0.05
    assert min(ps) >= 1 / 200


def test_drawn_p_come_near_the_exact_one():
    """The ninth run of one stratum makes the difference of method, and little of p."""
    x, y, strata = normal((8, 8, 8), slope=0.35, seed=5)
    exact = correlation_within(x, y, strata).p
    assert 0.05 < exact < 0.6
    from symscape.audit import correlation

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(correlation, "EXACT", 7)
        drawn = correlation_within(x, y, strata).p
        assert drawn != exact
        assert drawn == approx(exact, abs=4 * math.sqrt(exact * (1 - exact) / 9_999))


def test_drawn_p_count_the_observed_order_and_repeat_with_their_seed():
    x, strata = np.arange(20.0), strata_of((20,))
    assert correlation_within(x, x, strata, draws=99).p == 1 / 100
    x, y, strata = normal((20,), slope=0.4)
    one, same, other = (correlation_within(x, y, strata, seed=s).p for s in (1, 1, 2))
    assert one == same != other


def test_lone_runs_and_strata_without_variation_are_left_out_and_named():
    x, y, strata = normal((5, 5), slope=1)
    found = correlation_within(x, y, strata)
    wide = correlation_within(
        [*x, 9.0, 1.0, 1.0, 1.0, math.nan, 1.0],
        [*y, 9.0, 1.0, 2.0, 3.0, 1.0, math.nan],
        [*strata, "alone", "flat", "flat", "flat", 0, 1],
    )
    assert (wide.r, wide.low, wide.high, wide.p) == (found.r, found.low, found.high, found.p)
    assert (wide.runs, wide.strata) == (10, 2)
    assert wide.reason == (
        "left out: 2 runs without numbers, 1 strata of one run, 1 strata without variation"
    )


@pytest.mark.parametrize(
    ("x", "y", "strata", "reason"),
    [
        ([], [], [], "no stratum is left"),
        ([1, 2], [1, 2], "ab", "left out: 2 strata of one run; no stratum is left"),
        ([1, 1], [1, 2], "aa", "left out: 1 strata without variation; no stratum is left"),
        ([1, 2], [5, 5], "aa", "left out: 1 strata without variation; no stratum is left"),
        (
            [1, math.inf],
            [1, 2],
            "aa",
            "left out: 1 runs without numbers, 1 strata of one run; no stratum is left",
        ),
    ],
)
def test_without_information_there_is_no_number_and_a_reason(x, y, strata, reason):
    found = correlation_within(x, y, strata)
    assert all(math.isnan(v) for v in (found.r, found.low, found.high, found.p))
    assert (found.runs, found.strata, found.reason) == (0, 0, reason)


def test_too_few_runs_have_no_interval_but_r_and_p():
    found = correlation_within([1, 2, 3], [1, 3, 2], "aaa")
    assert (found.r, found.p) == (approx(0.5), approx(1.0))
    assert math.isnan(found.low) and math.isnan(found.high)
    assert found.reason == "too few runs for an interval"


def test_full_agreement_of_few_runs_supports_nothing():
    found = correlation_within([1, 2, 3, 1, 2, 3], [1, 2, 3, 4, 5, 6], "aaabbb")
    assert (found.r, found.p) == (1.0, approx(2 / 36))
    assert found.reason == "all ranks agree: no interval"
    assert verdict(found.low, found.high, two_sided=True) == "undecided"


def test_columns_of_unequal_length_are_refused():
    with pytest.raises(ValueError, match="3, 2, 3"):
        correlation_within([1, 2, 3], [1, 2], "aaa")


@pytest.mark.parametrize(
    ("low", "high", "claim", "expected"),
    [
        (0.1, 0.3, {}, "supported"),
        (-0.1, 0.3, {}, "undecided"),
        (-0.3, -0.1, {}, "not supported"),
        (0.0, 0.3, {}, "undecided"),
        (-0.3, 0.0, {}, "not supported"),
        (0.06, 0.3, {"above": 0.05}, "supported"),
        (0.04, 0.3, {"above": 0.05}, "undecided"),
        (0.01, 0.05, {"above": 0.05}, "not supported"),
        (-0.3, -0.1, {"two_sided": True}, "supported"),
        (0.1, 0.3, {"two_sided": True}, "supported"),
        (-0.1, 0.3, {"two_sided": True}, "undecided"),
        (0.0, 0.0, {"two_sided": True}, "not supported"),
        (-0.1, 0.1, {"two_sided": True, "above": 0.2}, "not supported"),
        (-0.1, 0.3, {"two_sided": True, "above": 0.2}, "undecided"),
        (-0.5, -0.3, {"two_sided": True, "above": 0.2}, "supported"),
        (math.nan, math.nan, {}, "undecided"),
        (math.nan, 1.0, {"two_sided": True}, "undecided"),
        (0.1, math.nan, {}, "undecided"),
        (None, None, {}, "undecided"),
    ],
)
def test_what_an_interval_says_of_a_claim(low, high, claim, expected):
    assert verdict(low, high, **claim) == expected
