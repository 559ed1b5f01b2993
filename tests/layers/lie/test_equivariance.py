"""Layers on groups commute with the symmetries of the square; with other turns nearly so."""

import math

import pytest
import torch

from symscape.layers.lie.conv import GroupConv2d
from symscape.layers.lie.kernel import KernelSpec
from symscape.layers.lie.sampling import Turn
from symscape.symmetry.plane import PlaneGrid
from tests.layers.lie.grids import GRIDS, MOVED, conv, error, maps

sizes = pytest.mark.parametrize("size", [1, 3, 5, 7])
lifts = pytest.mark.parametrize("lift", [True, False], ids=["lift", "group"])


@pytest.mark.parametrize(("dtype", "bound"), [(torch.float64, 1e-12), (torch.float32, 1e-5)])
@lifts
@sizes
@pytest.mark.parametrize(("group", "kernel"), MOVED)
def test_every_layer_commutes_with_its_lattice(group, kernel, size, lift, dtype, bound):
    grid = GRIDS[group]
    layer = conv(group, kernel, size, lift=lift, dtype=dtype)
    x = maps(2, 2 * (1 if lift else grid.size), 8, 9).to(dtype)
    assert error(layer, x, grid.lattice, lift) <= bound


@lifts
@sizes
@pytest.mark.parametrize(
    ("group", "kernel"), [(g, k) for g, k in MOVED if GRIDS[g].rotations > 1 and k != "pixels"]
)
def test_a_turned_grid_commutes_with_the_turns(group, kernel, size, lift):
    grid = GRIDS[group]
    turn = Turn(2 * math.pi / grid.rotations)
    turn.key = (0, 1, 2)
    layer = conv(group, kernel, size, lift=lift, turn=turn)
    x = maps(2, 2 * (1 if lift else grid.size), 8, 9)
    assert turn.angle > 0.1
    assert error(layer, x, grid.turns(), lift) <= 1e-12
    if size > 1 and (lift or kernel != "dgseparable"):
        assert not torch.allclose(layer(x), layer.eval()(x), rtol=1e-3)


def test_a_turned_grid_keeps_no_reflection():
    turn = Turn(math.pi / 2)
    layer = conv("e2", "separable", 5, lift=True, turn=turn)
    x = maps(2, 2, 9, 9)
    assert error(layer, x, layer.lattice(), lift=True) > 1e-2
    assert error(layer.eval(), x, layer.lattice(), lift=True) <= 1e-12


def blobs(centres: torch.Tensor, *, turn: float = 0.0, scale: float = 1.0) -> torch.Tensor:
    """An image of Gaussians of two pixels, turned and enlarged about its middle."""
    cos, sin = math.cos(turn), math.sin(turn)
    centres = scale * centres @ torch.tensor([[cos, sin], [-sin, cos]], dtype=torch.float64)
    at = torch.arange(31, dtype=torch.float64) - 15
    apart = torch.cartesian_prod(at, at)[:, None] - centres
    return (-apart.square().sum(2) / (8 * scale**2)).exp().sum(1).view(1, 1, 31, 31)


def middles(layer: GroupConv2d, **how: float) -> torch.Tensor:
    """What the layer sees in the middle of 20 images, (20, O, N)."""
    generator = torch.Generator().manual_seed(0)
    centres = (torch.rand(20, 8, 2, generator=generator, dtype=torch.float64) - 0.5) * 10
    with torch.no_grad():
        seen = [layer(blobs(each, **how))[0, :, 15, 15] for each in centres]
    return torch.stack(seen).unflatten(1, (-1, layer.grid.size))


def lifting(grid: PlaneGrid) -> GroupConv2d:
    layer = GroupConv2d(grid, KernelSpec(first_omega=3.0, omega=3.0), 1, 16, 7, lift=True)
    layer.kernel.draw(torch.Generator().manual_seed(0))
    return layer.double()


def test_smooth_kernels_follow_a_turn_between_those_of_the_square():
    """By 45 degrees, one step of the grid: elements move on by one."""
    layer = lifting(PlaneGrid(8))
    expected = middles(layer).roll(1, 2)
    assert (middles(layer, turn=math.pi / 4) - expected).norm() / expected.norm() < 0.01


def test_smooth_kernels_follow_a_step_of_scale():
    """Away from the end of the axis."""
    layer = lifting(PlaneGrid(1, 3, max_scale=1.74, reach=1))
    before, after = middles(layer)[..., :-1], middles(layer, scale=1.74**0.5)[..., 1:]
    assert (after - before).norm() / before.norm() < 0.03
