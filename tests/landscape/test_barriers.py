import torch
from hypothesis import given
from hypothesis import strategies as st
from pytest import approx

from symscape.landscape.barriers import barriers, largest_rise
from symscape.landscape.interpolation import line_points

losses = st.lists(st.floats(0, 10), min_size=3, max_size=21).filter(lambda v: len(v) % 2 == 1)


def test_definitions_on_a_curve_known_by_hand():
    found = barriers([0, 0.25, 0.5, 0.75, 1], [1.0, 2.0, 4.0, 3.0, 2.0])
    assert found == {"chord": 2.5, "midmean": 2.5, "max": 4.0}


@given(losses)
def test_definitions_bound_each_other(values):
    found = barriers(line_points(len(values)), values)
    assert found["chord"] >= 0
    assert abs(found["midmean"] - found["chord"]) <= abs(values[0] - values[-1]) / 2 + 1e-12


@given(losses)
def test_the_other_way_round_is_the_same_barrier(values):
    alphas = line_points(len(values))
    assert barriers(alphas, values) == approx(barriers(alphas, values[::-1]))


def test_linear_regression_lies_below_its_chord_by_a_known_amount():
    torch.manual_seed(0)
    x, y = torch.randn(40, 6, dtype=torch.float64), torch.randn(40, dtype=torch.float64)
    a, b = torch.randn(2, 6, dtype=torch.float64)
    alphas = line_points(11)

    def loss(w):
        return (x @ w - y).square().mean().item()

    curve = [loss(torch.lerp(a, b, at)) for at in alphas]
    gap = (x @ (a - b)).square().mean().item()
    for at, value in zip(alphas, curve, strict=True):
        assert value - (1 - at) * curve[0] - at * curve[-1] == approx(-at * (1 - at) * gap)
    assert barriers(alphas, curve)["chord"] == 0.0


def test_an_odd_grid_contains_the_ends_and_the_middle_exactly():
    for count in (3, 5, 25, 51):
        points = line_points(count)
        assert (points[0], points[count // 2], points[-1]) == (0.0, 0.5, 1.0)


def test_largest_rise_is_zero_only_for_falling_curves():
    assert largest_rise([3, 2, 2, 1]) == 0
    assert largest_rise([3, 1, 2, 0.5, 0.9]) == 1
