"""Orbits, bases and projectors of the groups of the square."""

import math

import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st

from symscape.config.groups import GROUPS, NEEDS_SQUARE_KERNEL, SYMMETRIES
from symscape.symmetry.basis import orbit_indicators, orthonormal_basis, projector
from symscape.symmetry.groups import (
    ELEMENTS,
    GROUP_ELEMENTS,
    SWAPS_AXES,
    Symmetry,
    distinct_elements,
    tap_permutation,
)

ORBITS = {
    "vanilla": (9, 25),
    "hflip": (6, 15),
    "vflip": (6, 15),
    "hvflip": (4, 9),
    "rot180": (5, 13),
    "diag": (6, 15),
    "rot90": (3, 7),
    "d4": (3, 6),
    "random": (3, 7),
}
symmetries = st.sampled_from(SYMMETRIES)
sizes = st.sampled_from([1, 3, 5, 7]).map(lambda k: (k, k))


def count(labels: torch.Tensor) -> int:
    return int(labels.max()) + 1


def test_the_config_names_every_group():
    assert set(GROUPS) == set(GROUP_ELEMENTS)
    assert set(NEEDS_SQUARE_KERNEL) == {
        g for g, elements in GROUP_ELEMENTS.items() if set(elements) & set(SWAPS_AXES)
    }


@pytest.mark.parametrize("name", ORBITS)
def test_numbers_of_orbits(name):
    assert [count(Symmetry(name).orbits((k, k))) for k in (3, 5)] == list(ORBITS[name])
    assert count(Symmetry(name).orbits((1, 1))) == 1


@pytest.mark.parametrize("group", GROUP_ELEMENTS)
def test_groups_are_closed_under_composition(group):
    permutations = {tuple(tap_permutation(e, (3, 3)).tolist()) for e in GROUP_ELEMENTS[group]}
    assert len(permutations) == len(GROUP_ELEMENTS[group])
    products = {tuple(p[i] for i in q) for p in permutations for q in permutations}
    assert products == permutations


@given(symmetries, sizes)
def test_projector_is_an_orthogonal_projection_onto_the_orbits(name, size):
    labels = Symmetry(name).orbits(size)
    basis, p = orthonormal_basis(labels), projector(labels)
    torch.testing.assert_close(basis.T @ basis, torch.eye(count(labels), dtype=torch.float64))
    torch.testing.assert_close(p @ p, p)
    assert torch.equal(p, p.T)
    assert orbit_indicators(labels).sum() == math.prod(size)


@given(st.sampled_from(GROUPS), sizes)
def test_projector_is_the_group_average_and_commutes_with_the_group(name, size):
    p = projector(Symmetry(name).orbits(size))
    matrices = [
        torch.eye(math.prod(size), dtype=torch.float64)[tap_permutation(e, size)]
        for e in GROUP_ELEMENTS[name]
    ]
    torch.testing.assert_close(p, torch.stack(matrices).mean(0))
    for g in matrices:
        torch.testing.assert_close(g @ p, p @ g)


def test_subspaces_are_nested():
    for k in (3, 5):
        p = {name: projector(Symmetry(name).orbits((k, k))) for name in GROUPS}
        for small, large in [
            ("rot90", "hvflip") if k == 3 else ("d4", "hvflip"),
            ("hvflip", "hflip"),
            ("hvflip", "vflip"),
            ("hflip", "vanilla"),
            ("d4", "rot90"),
            ("hvflip", "rot180"),
        ]:
            torch.testing.assert_close(p[small] @ p[large], p[small])


def test_on_3x3_quarter_turns_and_d4_tie_the_same_taps():
    assert torch.equal(Symmetry("rot90").orbits((3, 3)), Symmetry("d4").orbits((3, 3)))


@pytest.mark.parametrize("like", GROUPS)
def test_random_has_the_orbit_sizes_of_its_group_and_depends_on_its_seed(like):
    orbits = [Symmetry("random", like, seed).orbits((5, 5)) for seed in range(5)]
    named = torch.bincount(Symmetry(like).orbits((5, 5)))
    for labels in orbits:
        assert torch.equal(torch.bincount(labels).sort()[0], named.sort()[0])
    assert torch.equal(orbits[3], Symmetry("random", like, 3).orbits((5, 5)))
    if like != "vanilla":
        assert len({tuple(labels.tolist()) for labels in orbits}) == 5


@pytest.mark.parametrize("name", ["hflip", "vflip", "hvflip", "rot180"])
def test_flips_and_half_turns_take_kernels_that_are_not_square(name):
    labels = Symmetry(name).orbits((3, 5))
    kernel = labels.view(3, 5)
    for element in GROUP_ELEMENTS[name]:
        assert torch.equal(ELEMENTS[element](kernel), kernel)


@pytest.mark.parametrize("name", NEEDS_SQUARE_KERNEL)
def test_quarter_turns_and_transposition_need_a_square_kernel(name):
    with pytest.raises(ValueError, match=r"kernel_size=3x5.*square"):
        Symmetry(name).orbits((3, 5))


def test_an_unknown_group_is_refused():
    with pytest.raises(ValueError, match=r"rot45.*hflip"):
        Symmetry("rot45")
    with pytest.raises(ValueError, match=r"random.*hflip"):
        Symmetry("random", like="random")


@given(st.sampled_from(list(ELEMENTS)), sizes)
def test_tap_permutations_act_as_the_elements_do(element, size):
    kernel = torch.randn(size)
    moved = kernel.flatten()[tap_permutation(element, size)].view(size)
    assert torch.equal(moved, ELEMENTS[element](kernel))


@pytest.mark.parametrize(
    ("size", "elements"),
    [
        ((3, 3), tuple(ELEMENTS)[1:]),
        ((2, 2), tuple(ELEMENTS)[1:]),
        ((3, 5), ("hflip", "vflip", "rot180")),
        ((2, 1), ("vflip",)),
        ((1, 7), ("hflip",)),
        ((1, 1), ()),
    ],
)
def test_elements_that_act_on_a_kernel_size(size, elements):
    assert distinct_elements(size) == elements


@given(st.tuples(st.integers(1, 6), st.integers(1, 6)))
def test_distinct_elements_are_every_way_to_move_the_taps_once(size):
    possible = [e for e in ELEMENTS if size[0] == size[1] or e not in SWAPS_AXES]
    ways = {tuple(tap_permutation(e, size).tolist()) for e in possible}
    distinct = [tuple(tap_permutation(e, size).tolist()) for e in distinct_elements(size)]
    assert sorted([*distinct, tuple(range(math.prod(size)))]) == sorted(ways)
