"""Symmetric convolutions: kernels, equivariance, parametrisations, initialisation."""

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from torch import nn
from torch.nn import functional

from symscape.config.groups import GROUPS, PARAMETRIZATIONS, SYMMETRIES
from symscape.layers.conv import SymmetricConv2d
from symscape.layers.effective import effective_network
from symscape.layers.factory import ConvFactory, asymmetry, initialise
from symscape.layers.parametrizations import PenaltyConv2d, ProjectedConv2d, TiedConv2d
from symscape.symmetry.basis import orthonormal_basis, projector
from symscape.symmetry.groups import ELEMENTS, GROUP_ELEMENTS, Symmetry

TYING = [name for name in SYMMETRIES if name != "vanilla"]


def conv(name="rot90", parametrization="tied", *, seed=0, init="matched", **options) -> nn.Module:
    layer = ConvFactory(Symmetry(name), parametrization)(
        4, 6, options.pop("size", (3, 3)), **options
    )
    initialise(layer, seed, init)
    return layer


def random(*shape: int, seed: int = 0, dtype=torch.float64) -> torch.Tensor:
    return torch.randn(shape, generator=torch.Generator().manual_seed(seed)).to(dtype)


def train(layer: nn.Module, steps: int, **options: float) -> None:
    optimiser = torch.optim.SGD(layer.parameters(), **options)
    x, target = random(5, 4, 6, 6), random(5, 6, 6, 6, seed=1)
    for _ in range(steps):
        optimiser.zero_grad()
        (layer(x) - target).square().mean().backward()
        optimiser.step()


@pytest.mark.parametrize("parametrization", ["tied", "projected"])
@pytest.mark.parametrize("name", [g for g in GROUPS if g != "vanilla"])
def test_kernels_equal_their_images_after_any_number_of_steps(name, parametrization):
    layer = conv(name, parametrization).double()
    for _ in range(3):
        for element in GROUP_ELEMENTS[name]:
            moved = ELEMENTS[element](layer.weight)
            torch.testing.assert_close(moved, layer.weight, rtol=1e-14, atol=1e-15)
        train(layer, 2, lr=0.1, momentum=0.9, weight_decay=1e-2)


@settings(deadline=None, max_examples=30)
@given(
    st.sampled_from([g for g in GROUPS if g != "vanilla"]),
    st.sampled_from([3, 5, 7]),
    st.integers(6, 9),
    st.sampled_from([1, 2]),
)
def test_convolution_commutes_with_its_group_at_stride_one(name, size, side, groups):
    layer = conv(name, size=(size, size), groups=groups).double()
    x = random(2, 4, side, side)
    for element in GROUP_ELEMENTS[name]:
        g = ELEMENTS[element]
        torch.testing.assert_close(layer(g(x)), g(layer(x)))


def test_tied_and_projected_runs_have_the_same_kernels():
    """In orthonormal coordinates SGD with momentum and weight decay is projected SGD."""
    for name in TYING:
        tied, projected = conv(name).double(), conv(name, "projected").double()
        torch.testing.assert_close(tied.weight, projected.weight, rtol=0, atol=1e-6)
        with torch.no_grad():
            tied.coordinates.copy_(tied.basis.T @ projected.full_taps)
        for layer in (tied, projected):
            train(layer, 20, lr=0.2, momentum=0.9, weight_decay=1e-2)
        torch.testing.assert_close(tied.weight, projected.weight, rtol=0, atol=1e-10)


def test_the_asymmetric_part_of_a_projected_kernel_only_decays():
    layer = conv("rot90", "projected").double()
    off = torch.eye(9, dtype=torch.float64) - layer.projector
    before = (off @ layer.full_taps).detach().clone()
    train(layer, 5, lr=0.1, weight_decay=0.01)
    torch.testing.assert_close(off @ layer.full_taps, before * (1 - 0.1 * 0.01) ** 5)


def test_hessian_in_the_coordinates_is_the_restricted_hessian():
    """H_u = U^T H U, which raw orbit sums instead of orthonormal ones would not give."""
    layer = conv("rot90").double()
    x = random(3, 4, 5, 5)
    basis = orthonormal_basis(layer.orbits)

    def loss(kernel: torch.Tensor) -> torch.Tensor:
        return functional.conv2d(x, kernel, padding=1).pow(4).mean()

    def of_coordinates(u: torch.Tensor) -> torch.Tensor:
        return loss((basis @ u).unflatten(1, (3, 3)).permute(0, 3, 1, 2))

    full = torch.autograd.functional.hessian(loss, layer.weight.detach())
    full = full.permute(0, 2, 3, 1, 4, 6, 7, 5).flatten(1, 2).flatten(4, 5)
    own = torch.autograd.functional.hessian(of_coordinates, layer.coordinates.detach())
    restricted = torch.einsum("td,otiphj,he->odipej", basis, full, basis)
    torch.testing.assert_close(own, restricted, rtol=1e-10, atol=1e-14)


@pytest.mark.parametrize("name", TYING)
@pytest.mark.parametrize("init", ["matched", "plain"])
def test_initial_energy(name, init):
    """`matched` keeps a vanilla kernel's squared norm, `plain` keeps the share d / k^2 of it."""

    def energy(symmetry: str) -> float:
        layer = ConvFactory(Symmetry(symmetry))(64, 256, (3, 3))
        initialise(layer, 0, init)
        return layer.weight.square().sum().item()

    layer = conv(name)
    share = layer.dimension / 9 if init == "plain" else 1
    assert energy(name) / energy("vanilla") == pytest.approx(share, rel=0.02)


def test_plain_is_the_projection_of_the_vanilla_draw():
    vanilla = conv("vanilla", init="plain").weight
    for name in TYING:
        layer = conv(name, init="plain")
        p = projector(layer.orbits).float()
        expected = (vanilla.flatten(2) @ p).view_as(vanilla)
        torch.testing.assert_close(layer.weight, expected)


def test_penalty_starts_vanilla_and_measures_what_the_projector_removes():
    layer = conv("hflip", "penalty")
    vanilla = conv("vanilla").weight
    torch.testing.assert_close(layer.weight, vanilla)
    p = projector(layer.orbits).float()
    removed = vanilla.flatten(2) - vanilla.flatten(2) @ p
    torch.testing.assert_close(layer.asymmetry(), removed.square().sum())
    network = nn.Sequential(layer, conv("hflip", "penalty", seed=1))
    torch.testing.assert_close(asymmetry(network), sum(m.asymmetry() for m in network))
    assert asymmetry(nn.Sequential(conv("hflip"))) == 0.0


@pytest.mark.parametrize("parametrization", PARAMETRIZATIONS)
@pytest.mark.parametrize("name", TYING)
def test_the_plain_twin_computes_the_same(name, parametrization):
    layer = conv(name, parametrization, stride=2, groups=2, bias=True)
    with torch.no_grad():
        layer.bias.normal_()
    before = {k: v.clone() for k, v in layer.state_dict().items()}
    network = nn.Sequential(layer, nn.BatchNorm2d(6)).eval()
    twin = effective_network(network)
    assert type(twin[0]) is nn.Conv2d and not twin.training
    x = random(3, 4, 7, 8, dtype=torch.float32)
    torch.testing.assert_close(twin(x), network(x), rtol=0, atol=1e-6)
    with torch.no_grad():
        for tensor in twin.state_dict().values():
            tensor.zero_()
    assert all(torch.equal(before[k], v) for k, v in layer.state_dict().items())


@pytest.mark.parametrize("parametrization", PARAMETRIZATIONS)
def test_kernels_are_channels_last_also_under_autocast(parametrization):
    layer = conv("d4", parametrization)
    for precision in (False, True):
        with torch.autocast("cpu", torch.bfloat16, enabled=precision):
            kernel = layer.weight
        assert kernel.dtype == torch.float32
        assert kernel.is_contiguous(memory_format=torch.channels_last)


def test_1x1_kernels_and_vanilla_are_plain_convolutions():
    factory = ConvFactory(Symmetry("rot90"))
    assert type(factory(4, 4, (1, 1))) is nn.Conv2d
    assert type(ConvFactory(Symmetry("vanilla"))(4, 4, (3, 3))) is nn.Conv2d
    assert isinstance(factory(4, 4, (3, 3)), TiedConv2d)


def test_roles_choose_which_convolutions_obey():
    factory = ConvFactory(Symmetry("rot90"), roles=("blocks",))
    assert isinstance(factory(4, 4, (3, 3), role="blocks"), SymmetricConv2d)
    assert type(factory(4, 4, (3, 3), role="stem")) is nn.Conv2d


def test_non_square_kernels_take_flips():
    layer = conv("hvflip", size=(3, 5)).double()
    x = random(2, 4, 6, 7)
    torch.testing.assert_close(layer(x.flip(-1)), layer(x).flip(-1))
    assert layer(x).shape == (2, 6, 6, 7)


def test_parametrizations_store_what_they_say():
    sizes = {TiedConv2d: 3, ProjectedConv2d: 9, PenaltyConv2d: 9}
    for name, kind in zip(("tied", "projected", "penalty"), sizes, strict=True):
        layer = conv("rot90", name)
        assert type(layer) is kind
        assert sum(p.numel() for p in layer.parameters()) == 4 * 6 * sizes[kind]


def test_initialisation_depends_on_the_seed_alone():
    torch.manual_seed(1)
    a = conv(seed=0).weight
    torch.manual_seed(2)
    b = conv(seed=0).weight
    assert torch.equal(a, b)
    assert not torch.equal(a, conv(seed=1).weight)


def test_vanilla_kernels_have_variance_two_over_fan_out():
    layer = ConvFactory(Symmetry("vanilla"))(64, 256, (3, 3), groups=2)
    initialise(layer, 0)
    assert layer.weight.var().item() == pytest.approx(2 / (128 * 9), rel=0.02)
