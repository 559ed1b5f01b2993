import math

import pytest
import torch
from pytest import approx

from symscape.landscape.trajectory import combine, geometry, plane_grid, principal_plane


def states(*points):
    """States of two tensors whose distances are those of the points."""
    rows = torch.tensor(points, dtype=torch.float64)
    count = torch.tensor(3)
    return [{"w": r[:1], "v": r[1:], "running_mean": 9 * r, "n": count} for r in rows]


def test_a_straight_path():
    path = geometry(states((1, 1, 1), (2, 3, 1), (4, 7, 1)))
    assert path.distance == approx([0, math.sqrt(5), math.sqrt(45)])
    assert path.path_length == approx(path.displacement) == approx(math.sqrt(45))
    assert path.ratio == approx(1)
    assert path.angles == approx([0], abs=1e-5)
    assert path.shares == approx([1, 0], abs=1e-12)


def test_a_path_around_a_corner():
    path = geometry(states((0, 0, 0), (3, 0, 0), (3, 4, 0)))
    assert (path.path_length, path.displacement) == (approx(7), approx(5))
    assert path.angles == approx([90])
    assert sum(path.shares) == approx(1)


def test_shares_are_those_of_a_singular_value_decomposition():
    torch.manual_seed(0)
    points = torch.randn(7, 5, dtype=torch.float64)
    path = geometry(states(*points.tolist()))
    values = torch.linalg.svdvals(points - points.mean(0)).square()
    assert path.shares == approx((values[:2] / values.sum()).tolist())
    spread = torch.tensor(path.coordinates).square().sum(0)
    assert spread.tolist() == approx(values[:2].tolist(), rel=1e-5)


def test_a_path_in_a_plane_is_found_again_on_it():
    kept = states((0, 0, 1), (3, 0, 1), (3, 4, 1), (1, 1, 1))
    path = geometry(kept)
    plane = principal_plane(kept, path)
    for state, (x, y) in zip(kept, path.coordinates, strict=True):
        there = plane.at(x, y)
        for name in ("w", "v", "running_mean"):
            assert torch.allclose(there[name], state[name])
        assert there["n"] == 3


def test_the_grid_is_wider_than_the_path():
    path = geometry(states((0, 0, 0), (3, 0, 0), (3, 4, 0)))
    for values, axis in zip(plane_grid(path, 5), (0, 1), strict=True):
        at = [c[axis] for c in path.coordinates]
        assert values[0] < min(at) and values[-1] > max(at)
        assert len(values) == 5


def test_combining_states_leaves_counters_alone():
    mixed = combine(states((0, 0, 0), (2, 4, 6)), [0.5, 0.5])
    assert torch.equal(mixed["v"], torch.tensor([2.0, 3.0], dtype=torch.float64))
    assert mixed["n"] == 3


def test_a_path_needs_two_states():
    with pytest.raises(ValueError, match="two"):
        geometry(states((0, 0, 0)))


def test_a_network_that_never_moved():
    path = geometry(states((1, 2, 3), (1, 2, 3), (1, 2, 3)))
    assert path.displacement == 0
    assert math.isnan(path.ratio) and all(map(math.isnan, path.shares))
