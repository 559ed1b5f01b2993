"""Paths with one bend: their formulas, and what a walk along them meets."""

import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st
from pytest import approx

from symscape.landscape.interpolation import Line, line_points
from symscape.landscape.paths.bend import SHAPES, Bend, walk
from tests.landscape.nets import Fixed, network, state

TS = line_points(5)
shares = st.floats(0, 1)


def middle_of(a, b):
    return {name: (a[name] + b[name]) / 2 for name, _ in network().named_parameters()}


def tensors(net, bend, t):
    bend.fill(net.state_dict(), t)
    return state(net)


@given(shares, st.sampled_from(sorted(SHAPES)))
def test_a_point_is_a_mean_of_three(t, shape):
    weights = SHAPES[shape](t)
    assert sum(weights) == approx(1, abs=1e-12) and min(weights) >= 0
    assert SHAPES[shape](1 - t) == approx(weights[::-1], abs=1e-12)


@given(shares)
def test_the_weights_are_those_of_de_casteljau_and_of_two_lines(t):
    """A Bezier curve's point by lines between points of lines; a, m, b are 1, 10, 100."""
    a, m, b = 1.0, 10.0, 100.0
    first, second = (1 - t) * a + t * m, (1 - t) * m + t * b
    bezier = (1 - t) * first + t * second
    chain = a + 2 * t * (m - a) if t <= 0.5 else m + (2 * t - 1) * (b - m)
    for shape, value in (("quadratic", bezier), ("polygon", chain)):
        weights = SHAPES[shape](t)
        assert weights[0] * a + weights[1] * m + weights[2] * b == approx(value, abs=1e-9)


@pytest.mark.parametrize("shape", SHAPES)
def test_a_path_begins_in_a_and_ends_in_b_to_the_bit(shape):
    net, a, b = network(), state(network(0)), state(network(1))
    bend = Bend(shape, a, middle_of(a, b), b)
    parameters = [name for name, _ in net.named_parameters()]
    for t, end in ((0.0, a), (1.0, b)):
        reached = tensors(net, bend, t)
        assert all(torch.equal(reached[name], end[name]) for name in parameters)


@pytest.mark.parametrize("shape", SHAPES)
def test_a_path_whose_middle_is_that_of_the_line_is_the_line(shape):
    a, b = state(network(0)), state(network(1))
    line = Line(network(), {"train": Fixed()}, statistics=Fixed(seed=1))
    straight = [p["train"].loss for p in line.measure(a, b, TS)]
    bent = [p["train"].loss for p in walk(line, Bend(shape, a, middle_of(a, b), b), TS)]
    assert bent == approx(straight, rel=1e-10)


def test_known_points_are_taken_as_they_are_and_every_point_is_ticked():
    a, b = state(network(0)), state(network(1))
    line, ticks = Line(network(), {"train": Fixed()}, statistics=Fixed(seed=1)), []
    ends = dict(zip((0.0, 1.0), line.measure(a, b, [0.0, 1.0]), strict=True))
    bend = Bend("quadratic", a, middle_of(a, b), b)
    points = walk(line, bend, TS, known=ends, tick=lambda: ticks.append(1))
    assert points[0] is ends[0.0] and points[-1] is ends[1.0] and len(ticks) == len(TS)


def test_statistics_of_the_ends_are_refused():
    a, b = state(network(0)), state(network(1))
    line = Line(network(), {"train": Fixed()}, bn="lerp")
    with pytest.raises(ValueError, match="bn=lerp"):
        walk(line, Bend("quadratic", a, middle_of(a, b), b), TS)
