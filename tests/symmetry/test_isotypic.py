"""The components of a kernel under D4: their dimensions, energies, and what S has to do with A1."""

import math

import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st

from symscape.symmetry.basis import projector
from symscape.symmetry.groups import ELEMENTS, Symmetry, distinct_elements
from symscape.symmetry.isotypic import CHARACTERS, dimensions, isotypic_energies
from symscape.symmetry.measures import symmetry_score

COMPONENTS = list(CHARACTERS)
REFLECTIONS = ("hflip", "vflip", "transpose", "antitranspose")
squares = st.integers(2, 7).map(lambda k: (k, k))
rectangles = st.tuples(st.integers(1, 5), st.integers(1, 5)).filter(lambda s: s[0] != s[1])
seeds = st.integers(0, 10_000)


def draw(seed: int, *shape: int) -> torch.Tensor:
    return torch.randn(shape, generator=torch.Generator().manual_seed(seed), dtype=torch.float64)


def projected(kernel: torch.Tensor, signs: dict[str, int]) -> torch.Tensor:
    """The mean of the kernel's images, those of some elements turned negative."""
    return sum(signs.get(e, 1) * act(kernel) for e, act in ELEMENTS.items()) / 8


@pytest.mark.parametrize(
    ("size", "expected"),
    [
        (2, [1, 0, 0, 1, 2]),
        (3, [3, 0, 1, 1, 4]),
        (4, [3, 1, 1, 3, 8]),
        (5, [6, 1, 3, 3, 12]),
    ],
)
def test_dimensions(size, expected):
    assert dimensions((size, size)) == dict(zip(COMPONENTS, expected, strict=True))


@given(squares | rectangles)
def test_dimensions_fill_the_space_and_a1_has_one_for_each_orbit(size):
    found = dimensions(size)
    group = "d4" if size[0] == size[1] else "hvflip"
    assert found["A1"] == int(Symmetry(group).orbits(size).max()) + 1
    assert (sum(found.values()) == math.prod(size)) == (size[0] == size[1])
    assert list(found) == (COMPONENTS if size[0] == size[1] else ["A1"])


@pytest.mark.parametrize("size", [2, 3, 4, 5])
def test_a_normal_kernel_has_energy_in_proportion_to_the_dimensions(size):
    energies = [isotypic_energies(k) for k in draw(0, 1500, size, size)]
    for name, dimension in dimensions((size, size)).items():
        mean = sum(e[name] for e in energies) / len(energies)
        assert mean == pytest.approx(dimension / size**2, abs=0.02)


EXAMPLES = {
    "constant": ([[2, 2, 2], [2, 2, 2], [2, 2, 2]], "A1"),
    "laplacian": ([[0, 1, 0], [1, -4, 1], [0, 1, 0]], "A1"),
    "saddle": ([[0, 1, 0], [-1, 0, -1], [0, 1, 0]], "B1"),
    "diagonal saddle": ([[1, 0, -1], [0, 0, 0], [-1, 0, 1]], "B2"),
    "sobel": ([[-1, 0, 1], [-2, 0, 2], [-1, 0, 1]], "E"),
    "pinwheel": ([[0, 1, -1, 0], [-1, 0, 0, 1], [1, 0, 0, -1], [0, -1, 1, 0]], "A2"),
}


@pytest.mark.parametrize("name", EXAMPLES)
def test_kernels_of_one_kind(name):
    kernel, component = EXAMPLES[name]
    energies = isotypic_energies(torch.tensor(kernel).float())
    assert {r: energies[r] for r in COMPONENTS} == pytest.approx(
        {r: float(r == component) for r in COMPONENTS}, abs=1e-14
    )
    assert energies["offset"] == pytest.approx(float(name == "constant"), abs=1e-14)
    assert energies["shape"] == pytest.approx(float(name == "laplacian"), abs=1e-14)


@given(seeds, st.sampled_from([3, 4, 5, 6]))
def test_components_are_told_apart_by_the_signs_that_the_elements_give_them(seed, size):
    kernel = draw(seed, size, size)
    turns = ("rot90", "rot270")
    kinds = {
        "A1": {},
        "A2": dict.fromkeys(REFLECTIONS, -1),
        "B1": dict.fromkeys(("transpose", "antitranspose", *turns), -1),
        "B2": dict.fromkeys(("hflip", "vflip", *turns), -1),
    }
    energies = isotypic_energies(kernel)
    for name, signs in kinds.items():
        share = (projected(kernel, signs).norm() / kernel.norm()).square().item()
        assert energies[name] == pytest.approx(share, abs=1e-12)
    odd = (kernel - ELEMENTS["rot180"](kernel)) / 2
    assert energies["E"] == pytest.approx((odd.norm() / kernel.norm()).square().item(), abs=1e-12)


@given(seeds, squares)
def test_energies_sum_to_one_and_a1_to_offset_and_shape(seed, size):
    kernel = draw(seed, *size)
    energies = isotypic_energies(kernel)
    assert sum(energies[r] for r in COMPONENTS) == pytest.approx(1, abs=1e-12)
    assert energies["offset"] + energies["shape"] == pytest.approx(energies["A1"], abs=1e-12)
    assert energies["offset"] == pytest.approx(
        math.prod(size) * (kernel.mean() / kernel.norm()).square().item(), abs=1e-12
    )


@given(seeds, squares | rectangles)
def test_a1_is_the_energy_of_the_mean_over_the_group(seed, size):
    kernel = draw(seed, *size)
    p = projector(Symmetry("d4" if size[0] == size[1] else "hvflip").orbits(size))
    share = ((p @ kernel.flatten()).norm() / kernel.norm()).square().item()
    energies = isotypic_energies(kernel)
    assert energies["A1"] == pytest.approx(share, abs=1e-12)
    assert energies["offset"] + energies["shape"] == pytest.approx(share, abs=1e-12)


@given(seeds, squares | rectangles)
def test_mean_square_distance_is_what_is_not_invariant(seed, size):
    """(1/|G|) sum_T ||T K^ - K^||^2 = 2 (1 - E_A1) over the whole group, identity and all."""
    kernel = draw(seed, *size)
    unit = kernel / kernel.norm()
    group = ("identity", *distinct_elements(size))
    squares = [(ELEMENTS[e](unit) - unit).square().sum().item() for e in group]
    invariant = isotypic_energies(kernel)["A1"]
    assert sum(squares) / len(group) == pytest.approx(2 * (1 - invariant), abs=1e-12)


@given(seeds, st.floats(1e-30, 1e30), st.sampled_from(list(ELEMENTS)))
def test_energies_ignore_scale_sign_and_the_square_s_symmetries(seed, scale, element):
    kernel = draw(seed, 5, 5)
    moved = isotypic_energies(-scale * ELEMENTS[element](kernel))
    assert moved == pytest.approx(isotypic_energies(kernel), abs=1e-12)


@pytest.mark.parametrize("size", [(3, 5), (1, 7), (2, 1)])
def test_a_kernel_that_is_not_square_has_a1_alone(size):
    energies = isotypic_energies(draw(1, *size))
    assert [name for name, value in energies.items() if math.isnan(value)] == COMPONENTS[1:]


@pytest.mark.parametrize("bad", [0.0, math.nan, math.inf])
def test_a_kernel_without_a_direction_has_no_energies(bad):
    energies = isotypic_energies(torch.full((3, 3), bad))
    assert list(energies) == [*COMPONENTS, "offset", "shape"]
    assert all(math.isnan(value) for value in energies.values())


@given(seeds)
def test_a_kernel_scores_one_where_all_its_energy_is_invariant_and_only_there(seed):
    kernel = draw(seed, 3, 3)
    elements = distinct_elements((3, 3))
    invariant = projected(kernel, {})
    assert symmetry_score(invariant, elements) == pytest.approx(1, abs=1e-7)
    assert isotypic_energies(invariant)["A1"] == pytest.approx(1, abs=1e-12)
    assert symmetry_score(kernel, elements) < 1 - 1e-6
