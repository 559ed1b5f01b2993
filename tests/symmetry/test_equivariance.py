"""Errors of layers under the symmetries of their group, and changes of logits."""

import math

import pytest
import torch
from torch import nn

from symscape.layers.lie.conv import GroupConv2d
from symscape.layers.lie.kernel import KernelSpec
from symscape.symmetry.equivariance import (
    acted,
    followed,
    layer_errors,
    mean_change,
    mean_distance,
)
from symscape.symmetry.groups import ELEMENTS
from symscape.symmetry.plane import PlaneGrid

GRIDS = {
    "se2": PlaneGrid(rotations=8),
    "e2": PlaneGrid(rotations=4, reflections=True),
    "sim2": PlaneGrid(rotations=4, scales=2, max_scale=1.5, reach=1),
}


def stream(seed: int = 0) -> torch.Generator:
    return torch.Generator().manual_seed(seed)


def network(grid: PlaneGrid) -> nn.Sequential:
    spec = KernelSpec("nonseparable", hidden=4)
    lift = GroupConv2d(grid, spec, 1, 2, 5, lift=True)
    conv = GroupConv2d(grid, spec, 2, 2, 3)
    for layer in (lift, conv):
        layer.kernel.draw(stream())
    return nn.Sequential(lift, nn.ReLU(), conv).double().eval()


def images(count: int = 3, height: int = 8, width: int = 8) -> torch.Tensor:
    return torch.randn(count, 1, height, width, generator=stream(1), dtype=torch.float64)


def errors(net: nn.Sequential, grid: PlaneGrid, x: torch.Tensor) -> dict[tuple[str, str], float]:
    return layer_errors(net, {"lift": net[0], "conv": net[2]}, grid.lattice, [x[:2], x[2:]])


def test_a_quarter_turn_of_maps_by_hand():
    """Of a map at the elements 0, 90, 180 and 270 degrees, that at 0 comes to lie at 90."""
    maps = torch.arange(4 * 9.0).view(1, 4, 3, 3)
    grid = PlaneGrid(rotations=4)
    moved = acted(maps, "rot90", grid.lattice["rot90"])
    for n in range(4):
        assert torch.equal(moved[0, (n + 1) % 4], maps[0, n].rot90())


@pytest.mark.parametrize("name", GRIDS)
def test_acting_is_an_action(name):
    """T_l T_k = T_lk: as the elements compose, their actions do, so that T_l has an inverse."""
    grid = GRIDS[name]
    maps = torch.randn(2, 3 * grid.size, 5, 5, generator=stream())
    marked = torch.arange(25.0).view(5, 5)
    for first, p in grid.lattice.items():
        for second, q in grid.lattice.items():
            twice = acted(acted(maps, first, p), second, q)
            both = ELEMENTS[second](ELEMENTS[first](marked))
            third = next(n for n in grid.lattice if torch.equal(ELEMENTS[n](marked), both))
            assert torch.equal(twice, acted(maps, third, grid.lattice[third]))


@pytest.mark.parametrize("name", GRIDS)
def test_group_convolutions_err_by_rounding_alone(name):
    grid = GRIDS[name]
    found = errors(network(grid), grid, images())
    moves = set(grid.lattice) - {"identity"}
    assert set(found) == {(layer, e) for layer in ("lift", "conv") for e in moves}
    assert max(found.values()) < 1e-14


def test_one_tap_of_one_element_shows():
    """The error of the lifting layer is that of what was added, which is known."""
    grid = GRIDS["se2"]
    net, x = network(grid), images()
    plain = net[0].plain()
    with torch.no_grad():
        plain.weight[:] = 0
        plain.weight[0, 0, 2, 2] = 1.0
    net[0] = plain
    # Element 0 of channel 0 copies the image and all others are 0: T phi(x) has it at 90 degrees.
    found = layer_errors(net, {"lift": plain}, grid.lattice, [x])
    assert found["lift", "rot90"] == pytest.approx(math.sqrt(2))


def test_the_error_is_one_of_all_images_however_they_are_batched():
    grid = GRIDS["se2"]
    net, x = network(grid), images(4)
    net[0] = net[0].plain()
    with torch.no_grad():
        net[0].weight += 0.1 * torch.randn(net[0].weight.shape, generator=stream())
    layers = {"lift": net[0]}
    once = layer_errors(net, layers, grid.lattice, [x])
    parts = layer_errors(net, layers, grid.lattice, [x[:1], x[1:]])
    assert once == pytest.approx(parts)
    assert once["lift", "rot90"] > 0.01


def test_images_that_are_not_square_have_half_turns_and_flips():
    assert set(followed(GRIDS["e2"].lattice, 4, 6)) == {"rot180", "hflip", "vflip"}
    found = errors(network(GRIDS["e2"]), GRIDS["e2"], images(3, 6, 8))
    assert {name for _, name in found} == {"rot180", "hflip", "vflip"}
    assert max(found.values()) < 1e-14


def test_a_layer_without_output_has_no_error():
    grid = GRIDS["se2"]
    net = network(grid)
    found = errors(net, grid, torch.zeros(3, 1, 8, 8, dtype=torch.float64))
    assert all(math.isnan(value) for value in found.values())


def test_hooks_are_gone_afterwards():
    grid = GRIDS["se2"]
    net = network(grid)
    errors(net, grid, images())
    assert not any(module._forward_hooks for module in net.modules())


def test_distances_of_logits():
    """Of three points on a line at 0, 3 and 9 the mean distance is (3 + 9 + 6) / 3."""
    logits = torch.tensor([[0.0, 1.0], [3.0, 1.0], [9.0, 1.0]])
    assert mean_distance(logits) == pytest.approx(6.0)
    moved = logits + torch.tensor([[3.0, 4.0], [0.0, 0.0], [0.0, 1.0]])
    assert mean_change(moved, logits) == pytest.approx(2.0)


def test_another_image_in_its_place_changes_logits_by_their_mean_distance():
    """All cyclic shifts but that by 0 meet each pair twice."""
    logits = torch.randn(7, 4, generator=stream())
    shifts = [mean_change(logits.roll(k, 0), logits) for k in range(1, 7)]
    assert sum(shifts) / 6 == pytest.approx(mean_distance(logits))
