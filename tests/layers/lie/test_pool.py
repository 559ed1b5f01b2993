"""Pools commute with the symmetries of the square."""

import pytest
import torch

from symscape.layers.lie.pool import GroupMax, HalvingPool
from symscape.symmetry.groups import ELEMENTS
from tests.layers.lie.grids import GRIDS, act, maps


@pytest.mark.parametrize("shape", [(6, 6), (7, 7), (6, 9), (1, 1), (20, 30)], ids=str)
@pytest.mark.parametrize("kind", ["mean", "max"])
@pytest.mark.parametrize("name", ELEMENTS)
def test_halving_commutes_with_turns_and_flips(name, kind, shape):
    pool, element = HalvingPool(kind), ELEMENTS[name]
    x = maps(2, 3, *shape)
    torch.testing.assert_close(pool(element(x)), element(pool(x)), rtol=1e-14, atol=1e-14)
    assert pool(x).shape[2:] == tuple((n + 1) // 2 for n in shape)


def test_means_are_over_the_pixels_that_there_are():
    assert torch.equal(HalvingPool()(torch.ones(1, 1, 7, 5)), torch.ones(1, 1, 4, 3))
    corner = HalvingPool()(torch.arange(9.0).view(1, 1, 3, 3))[0, 0, 0, 0]
    assert corner == (0 + 1 + 3 + 4) / 4


def test_windows_of_two_do_not_overlap():
    x = maps(1, 1, 4, 4)
    assert torch.equal(HalvingPool("max")(x)[0, 0, 0, 1], x[0, 0, :2, 2:].max())


@pytest.mark.parametrize("group", GRIDS)
def test_the_maximum_over_group_and_pixels_does_not_move(group):
    grid = GRIDS[group]
    x = maps(2, 3 * grid.size, 5, 6)
    pool = GroupMax(grid.size)
    assert torch.equal(pool(x), x.view(2, 3, -1).amax(2))
    for name, p in grid.lattice.items():
        assert torch.equal(pool(act(name, p, x)), pool(x))
