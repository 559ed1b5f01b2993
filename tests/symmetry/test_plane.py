"""Grids on groups of the plane, held against the matrices that they stand for."""

import math

import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st

from symscape.symmetry.groups import ELEMENTS
from symscape.symmetry.plane import QUARTERS, PlaneGrid, representatives

GRIDS = {
    "none": PlaneGrid(),
    "se2": PlaneGrid(8),
    "se2, 6": PlaneGrid(6),
    "se2, 5": PlaneGrid(5),
    "se2, 2": PlaneGrid(2),
    "e2": PlaneGrid(4, reflections=True),
    "e2, 6": PlaneGrid(6, reflections=True),
    "e2, 3": PlaneGrid(3, reflections=True),
    "e2, 1": PlaneGrid(1, reflections=True),
    "scale": PlaneGrid(1, 3, max_scale=1.74, reach=1),
    "sim2": PlaneGrid(4, 3, max_scale=1.74, reach=1),
    "sim2, 6": PlaneGrid(6, 4, max_scale=2.0, reach=2),
    "all": PlaneGrid(4, 2, reflections=True, max_scale=2.0, reach=1),
}
every_grid = pytest.mark.parametrize("grid", GRIDS.values(), ids=GRIDS)


def matrix(bit: int, angle: float, scale: float = 0.0) -> torch.Tensor:
    """e^scale R(angle) D^bit, which acts on (y, x)."""
    cos, sin = math.cos(angle), math.sin(angle)
    turn = torch.tensor([[cos, -sin], [sin, cos]], dtype=torch.float64)
    return math.exp(scale) * turn @ torch.tensor([1.0, -1.0]).double().pow(bit).diag()


def matrices(grid: PlaneGrid, offset: float = 0.0) -> torch.Tensor:
    """A(h_n), (N, 2, 2)."""
    step = math.log(grid.max_scale) / max(grid.scales - 1, 1)
    return torch.stack(
        [
            matrix(m, 2 * math.pi * r / grid.rotations + offset, s * step)
            for m in range(grid.mirrors)
            for r in range(grid.rotations)
            for s in range(grid.scales)
        ]
    )


def equal(a: torch.Tensor, b: torch.Tensor) -> bool:
    return torch.allclose(a, b, rtol=0, atol=1e-12)


@pytest.mark.parametrize("name", QUARTERS)
def test_symmetries_of_the_square_move_pixels_as_their_matrices_do(name):
    turns, bit = QUARTERS[name]
    at = torch.cartesian_prod(*[torch.arange(5) - 2] * 2).double()
    landed = (at @ matrix(bit, turns * math.pi / 2).T).round().long() + 2
    pixels = torch.arange(25).view(5, 5)
    assert torch.equal(ELEMENTS[name](pixels)[landed[:, 0], landed[:, 1]], pixels.flatten())


@every_grid
@pytest.mark.parametrize("offset", [0.0, 0.3])
def test_positions_are_taken_back_by_the_inverse_matrices(grid, offset):
    assert equal(grid.inverses(offset), torch.linalg.inv(matrices(grid, offset)))


@every_grid
def test_lattice_permutations_are_the_action_on_the_elements(grid):
    """h_p(n) = l h_n, and what is left out maps no grid to itself."""
    own = matrices(grid)
    for name, (turns, bit) in QUARTERS.items():
        moved = matrix(bit, turns * math.pi / 2) @ own
        if name in grid.lattice:
            assert equal(own[grid.lattice[name]], moved)
        else:
            apart = (moved[:, None] - own).abs().amax((2, 3))
            assert apart.amin() > 1e-3
    assert next(iter(grid.lattice)) == "identity"


@given(st.integers(1, 24), st.integers(1, 3), st.booleans())
def test_the_lattice_has_the_quarter_turns_that_divide_the_grid_and_its_flips(r, s, reflections):
    grid = PlaneGrid(r, s, reflections, max_scale=2.0)
    turns = 4 if r % 4 == 0 else 2 if r % 2 == 0 else 1
    assert len(grid.turns()) == turns
    assert len(grid.lattice) == turns * (1 + reflections)
    orbits = len(representatives(grid.lattice))
    assert orbits * len(grid.lattice) == grid.size == r * s * (1 + reflections)


@every_grid
def test_representatives_and_their_images_are_all_elements(grid):
    first = representatives(grid.lattice)
    images = torch.cat([p[first] for p in grid.lattice.values()])
    assert torch.equal(images.sort().values, torch.arange(grid.size))


@every_grid
def test_haar_cells_sum_to_one_and_shrink_with_the_step_of_scale(grid):
    assert grid.cells.sum().item() == pytest.approx(1.0, abs=1e-14)
    hat = 1 - grid.relatives[:, 2].abs().double() / (grid.reach + 1)
    assert equal(grid.cells / hat, grid.cells.max().expand(len(hat)))


@every_grid
def test_routes_are_the_multiplication_of_the_group(grid):
    """The element h_n q; steps beyond an end of the scale axis stay at the end."""
    own, step = matrices(grid), math.log(grid.max_scale) / max(grid.scales - 1, 1)
    for n, (_, _, s) in enumerate(grid.places.tolist()):
        for q, (b, v, j) in enumerate(grid.relatives.tolist()):
            left = min(max(s + j, 0), grid.scales - 1) - s
            relative = matrix(b, 2 * math.pi * v / grid.rotations, left * step)
            assert equal(own[grid.routes[n, q]], own[n] @ relative)


@every_grid
def test_translations_are_the_routes_within_a_scale(grid):
    still = grid.relatives[:, 2] == 0
    assert torch.equal(grid.translations, grid.routes[:, still].T)
    assert torch.equal(grid.translations[0], torch.arange(grid.size))


@every_grid
def test_translations_commute_with_the_lattice(grid):
    for p in grid.lattice.values():
        for move in grid.translations:
            assert torch.equal(move[p], p[move])


def test_features_go_once_around_the_circle():
    features = PlaneGrid(6, reflections=True).features("both")
    turned = features.view(2, 6, 3)
    assert equal(turned[..., :2].norm(dim=2), torch.ones(2, 6).double())
    assert equal(turned[0, :, 2], -turned[1, :, 2])
    steps = (turned[0, :, :2] - turned[0, :, :2].roll(1, 0)).norm(dim=1)
    assert equal(steps, steps[:1].expand(6))
