"""The space of kernels that the symmetries of a grid tie, and what is left beside it."""

import pytest
import torch
from pytest import approx

from symscape.curvature.hessian import Hessian
from symscape.curvature.lanczos import largest_eigenvalues
from symscape.curvature.subspaces import (
    Restricted,
    choose_bases,
    scaling,
)
from symscape.layers.bases import kernel_bases, lattice_basis
from symscape.layers.effective import effective_network
from tests.curvature.matrices import LIKE
from tests.layers.lie.grids import GRIDS, PAIRS, act, conv
from tests.layers.lie.networks import VARIANTS, Fixed, network

TIED = ("se2", "se2,6", "p4", "e2", "sim2")
SUBSPACES = ("own", "ambient", "complement", "random")


def spaces(net, scale="none"):
    plain, images = effective_network(net), Fixed(6)
    hessian, own = Hessian(plain, images.x, images.y), kernel_bases(net)
    d = scaling(plain, scale)
    return {n: Restricted(hessian, choose_bases(plain, own, n), d) for n in SUBSPACES}


def kernels(net) -> torch.Tensor:
    """All parameters of the effective network, (n,)."""
    return torch.cat([p.detach().reshape(-1) for p in effective_network(net).parameters()])


def sizes(net) -> dict[str, int]:
    return {name: p.numel() for name, p in effective_network(net).named_parameters()}


@pytest.mark.parametrize(("model", "case"), [variant for variant in VARIANTS if variant[1] in TIED])
def test_own_has_one_dimension_for_every_orbit_of_the_lattice(model, case):
    net = network(case, model)
    space, own, count = spaces(net), kernel_bases(net), sizes(net)
    tied = sum(count[name] for name in own)
    assert set(own) == {
        name for name in count if effective_network(net).get_parameter(name).ndim > 2
    }
    assert space["own"].dimension == tied // len(net.grid.lattice) + sum(count.values()) - tied
    assert space["random"].dimension == space["own"].dimension
    assert space["ambient"].dimension == sum(count.values())


@pytest.mark.parametrize("case", TIED)
@pytest.mark.parametrize("name", SUBSPACES)
def test_coordinates_are_orthonormal(name, case):
    space = spaces(network(case))[name]
    generator = torch.Generator().manual_seed(0)
    z = torch.randn(space.dimension, generator=generator, dtype=torch.float64)
    v = torch.randn(space.hessian.dimension, generator=generator, dtype=torch.float64)
    assert torch.allclose(space.restrict(space.lift(z)), z, atol=1e-12)
    assert (v @ space.lift(z)).item() == approx((space.restrict(v) @ z).item())


@pytest.mark.parametrize(("model", "case"), [variant for variant in VARIANTS if variant[1] in TIED])
def test_the_network_lies_in_its_own_space(model, case):
    net = network(case, model)
    space, v = spaces(net), kernels(net)
    torch.testing.assert_close(space["own"].lift(space["own"].restrict(v)), v, rtol=0, atol=1e-13)
    assert space["complement"].restrict(v).abs().max() < 1e-13
    assert (space["random"].lift(space["random"].restrict(v)) - v).norm() > 0.1 * v.norm()


@pytest.mark.parametrize("case", TIED)
def test_own_and_complement_make_up_the_whole_space(case):
    net = network(case)
    space = spaces(net)
    v = torch.randn(
        space["own"].hessian.dimension,
        generator=torch.Generator().manual_seed(1),
        dtype=torch.float64,
    )
    parts = [space[name].lift(space[name].restrict(v)) for name in ("own", "complement")]
    assert space["own"].dimension + space["complement"].dimension == len(v)
    torch.testing.assert_close(sum(parts), v, rtol=0, atol=1e-12)
    assert abs(parts[0] @ parts[1]) < 1e-10


@pytest.mark.parametrize("group", [g for g, grid in GRIDS.items() if len(grid.lattice) > 1])
@pytest.mark.parametrize("lift", [True, False], ids=["lift", "group"])
def test_own_is_all_that_the_lattice_ties(group, lift):
    """Any coordinates give an equivariant convolution, whatever SIRENs can make of it."""
    layer, grid = conv(group, "nonseparable", 3, lift=lift), GRIDS[group]
    plain, basis = layer.plain(), lattice_basis(layer)
    z = torch.randn(
        plain.weight.numel() // len(grid.lattice),
        1,
        generator=torch.Generator().manual_seed(0),
        dtype=torch.float64,
    )
    with torch.no_grad():
        entries = torch.empty(plain.weight.numel(), dtype=torch.float64)
        entries[basis.order] = (z @ basis.matrix.T).flatten()
        plain.weight.copy_(entries.view(plain.weight.shape))
        x = torch.randn(2, plain.in_channels, 6, 7, dtype=torch.float64)
        for name, p in grid.lattice.items():
            places = torch.zeros(1, dtype=torch.int64) if lift else p
            moved = plain(act(name, places, x))
            torch.testing.assert_close(moved, act(name, p, plain(x)), rtol=1e-11, atol=1e-12)


@pytest.mark.parametrize("group", ["se2", "e2", "sim2"])
def test_all_kernels_of_a_grid_have_one_space(group):
    bases = [lattice_basis(conv(g, k, 3, lift=False)) for g, k in PAIRS if g == group]
    assert all(torch.equal(each.order, bases[0].order) for each in bases[1:])
    assert all(torch.equal(each.matrix, bases[0].matrix) for each in bases[1:])


@pytest.mark.parametrize("case", ["scale", "none"])
def test_without_a_lattice_own_is_the_whole_space(case):
    net = network(case)
    space = spaces(net)
    assert kernel_bases(net) == {}
    assert space["own"].dimension == space["ambient"].dimension
    assert space["complement"].dimension == 0


@pytest.mark.parametrize("scale", ["none", "filter", "elementwise"])
def test_scaled_operators_are_symmetric(scale):
    space = spaces(network("e2", width=1), scale)["own"]
    generator = torch.Generator().manual_seed(0)
    v, w = torch.randn(2, space.dimension, generator=generator, dtype=torch.float64)
    assert (v @ space.product(w)).item() == approx((w @ space.product(v)).item(), rel=1e-8)


def test_no_eigenvalue_within_a_space_is_larger_than_that_of_the_plain_network():
    space = spaces(network("p4", width=1))
    top = {
        name: largest_eigenvalues(each, 1, like=LIKE, tolerance=1e-6).values[0]
        for name, each in space.items()
    }
    assert top["own"] > 0 and max(top.values()) <= top["ambient"] * (1 + 1e-6)
