"""Kernels on groups: the integral that they sample, what they weigh, and how they expand."""

import cmath
import math

import pytest
import torch
from torch import nn

from symscape.layers.lie.conv import GroupConv2d
from symscape.layers.lie.factors import KERNELS, LIFTING
from symscape.layers.lie.kernel import GroupKernel, KernelSpec, Window, expanded, symmetries
from symscape.symmetry.plane import PlaneGrid, representatives
from tests.layers.lie.grids import GRIDS, GROUPS, PAIRS, conv, maps

SMOOTH = [pair for pair in PAIRS if pair[1] != "pixels"]


def inverse(bit: int, angle: float, scale: float) -> torch.Tensor:
    """A(h)^-1, where A(h) = e^scale R(angle) D^bit acts on (y, x)."""
    turn = torch.tensor(
        [[math.cos(angle), -math.sin(angle)], [math.sin(angle), math.cos(angle)]],
        dtype=torch.float64,
    )
    flip = torch.tensor([[1.0, 0.0], [0.0, (-1.0) ** bit]], dtype=torch.float64)
    return torch.linalg.inv(math.exp(scale) * turn @ flip)


def feature(grid: PlaneGrid, kind: str, b: int, v: int, j: int) -> list[float]:
    """What a factor sees of the relative element (b, 2 pi v / R, j)."""
    around = cmath.exp(2j * math.pi * v / grid.rotations)
    angle = [around.real, around.imag] * (grid.rotations > 1) + [1 - 2 * b] * grid.reflections
    scale = [j / (grid.reach + 1)] * (grid.reach > 0)
    return {"": [], "angle": angle, "scale": scale, "both": angle + scale}[kind]


def kappa(kernel: GroupKernel, u: torch.Tensor, q: tuple[int, int, int]) -> torch.Tensor:
    """The product of all factors, (k k, O, I), at positions (k k, 2) and one relative element."""
    value, parts = torch.ones(len(u), kernel.outputs, kernel.inputs, dtype=u.dtype), [*kernel.parts]
    for factor in LIFTING if kernel.lift else KERNELS[kernel.spec.name]:
        if not (factor.group or factor.space):
            value = value * kernel.mix
            continue
        there = torch.tensor(feature(kernel.grid, factor.group, *q), dtype=u.dtype)
        point = torch.cat([u[:, : 2 * factor.space], there.expand(len(u), -1)], 1)
        value = value * parts.pop(0)(point).view(len(u), kernel.outputs, -1)
    return value


def integral(kernel: GroupKernel, offset: float = 0.0) -> torch.Tensor:
    """The plain kernel, element by element, by the formula of the sampled integral."""
    grid, k = kernel.grid, kernel.size
    rho, step = k / (2 * grid.max_scale), math.log(grid.max_scale) / max(grid.scales - 1, 1)
    taps = torch.cartesian_prod(*[torch.arange(k).double() - (k - 1) / 2] * 2)
    whole = torch.zeros(
        kernel.outputs, grid.size, kernel.inputs, kernel.elements, k * k, dtype=torch.float64
    )
    for n, (m, r, s) in enumerate(grid.places.tolist()):
        u = taps @ inverse(m, 2 * math.pi * r / grid.rotations + offset, s * step).T / rho
        weight = (torch.pi / 2 * u.norm(dim=1)).cos().square() * (u.norm(dim=1) < 1)
        weight = weight * (math.exp(-2 * s * step) if k > 1 else 1)
        for b in range(grid.mirrors if not kernel.lift else 1):
            for v in range(grid.rotations if not kernel.lift else 1):
                for j in range(-grid.reach, grid.reach + 1) if not kernel.lift else [0]:
                    to = (r + (-1) ** m * v) % grid.rotations
                    level = min(max(s + j, 0), grid.scales - 1)
                    to = ((m ^ b) * grid.rotations + to) * grid.scales + level
                    cell = (1 - abs(j) / (grid.reach + 1)) / (grid.reach + 1)
                    cell /= grid.rotations * grid.mirrors
                    if kernel.lift:
                        to, cell = 0, 1.0
                    values = weight[:, None, None] * kappa(kernel, u, (b, v, j))
                    whole[:, n, :, to] += cell * values.permute(1, 2, 0)
    return whole.flatten(2, 3).flatten(0, 1).unflatten(2, (k, k))


@pytest.mark.parametrize("lift", [True, False], ids=["lift", "group"])
@pytest.mark.parametrize("size", [1, 5])
@pytest.mark.parametrize(("group", "kernel"), SMOOTH)
def test_a_kernel_is_its_integral_element_by_element(group, kernel, size, lift):
    layer = conv(group, kernel, size, lift=lift)
    with torch.no_grad():
        torch.testing.assert_close(layer.weight, integral(layer.kernel), rtol=1e-12, atol=1e-13)


@pytest.mark.parametrize("lift", [True, False], ids=["lift", "group"])
@pytest.mark.parametrize(("group", "kernel"), [("se2", "nonseparable"), ("sim2", "separable+2d")])
def test_so_it_is_on_a_turned_grid(group, kernel, lift):
    layer = conv(group, kernel, 5, lift=lift).kernel
    with torch.no_grad():
        torch.testing.assert_close(layer.weight(0.3), integral(layer, 0.3), rtol=1e-12, atol=1e-13)
        assert not torch.allclose(layer.weight(0.3), layer.weight(), rtol=1e-2)


@pytest.mark.parametrize("group", ["none", "se2,4", "e2", "e2,1"])
def test_pixels_are_free_taps_at_the_representatives(group):
    layer, grid = conv(group, "pixels", 3, lift=False), GRIDS[group]
    kernel = layer.weight.view(3, grid.size, 2, grid.size, 3, 3)
    first = representatives(grid.lattice)
    taps = layer.kernel.taps.permute(4, 0, 5, 1, 2, 3)
    assert torch.equal(kernel[:, first], taps)
    assert layer.kernel.taps.numel() * len(grid.lattice) == layer.weight.numel()


@pytest.mark.parametrize("lift", [True, False], ids=["lift", "group"])
@pytest.mark.parametrize(("group", "kernel"), PAIRS)
def test_stored_samples_expand_to_the_same_bits(group, kernel, lift):
    layer = conv(group, kernel, 5, lift=lift, dtype=torch.float32)
    grid = GRIDS[group]
    with torch.no_grad():
        stored = {name: value.clone() for name, value in layer.kernel.samples().items()}
        again = [expanded(stored, grid, symmetries(grid, 0.0)) for _ in range(2)]
        assert torch.equal(*again) and torch.equal(again[0], layer.weight)


@pytest.mark.parametrize(("size", "bound"), [(7, 0.013), (11, 0.002)])
@pytest.mark.parametrize("grid", [GRIDS["se2"], GRIDS["scale"]], ids=["se2", "scale"])
def test_the_taps_weigh_the_same_at_every_scale(grid, size, bound):
    """The integral of the mask is rho^2 (pi / 2 - 2 / pi)."""
    window = Window(grid, size)
    expected = window.radius**2 * (math.pi / 2 - 2 / math.pi)
    assert (window.weight.sum(1) / expected - 1).abs().max() < bound


def test_the_largest_scale_fills_the_window_and_leaves_its_corners():
    weight = Window(GRIDS["scale"], 7).weight.view(3, 7, 7)
    assert (weight > 0).sum((1, 2)).tolist() == [9 + 4, 21, 37]
    assert (weight[:, 3, 3] > 0).all() and weight[2, 0, 3] > 0 and weight[2, 0, 0] == 0


def test_a_single_tap_weighs_one_at_every_scale():
    assert torch.equal(Window(GRIDS["sim2"], 1).weight, torch.ones(3, 1, dtype=torch.float64))


@pytest.mark.parametrize(("group", "kernel"), PAIRS)
def test_kernels_depend_on_the_generator_alone(group, kernel):
    torch.manual_seed(0)
    first = conv(group, kernel, 3, lift=False).weight
    torch.manual_seed(1)
    assert torch.equal(conv(group, kernel, 3, lift=False).weight, first)
    assert first.isfinite().all() and first.std() > 0


@pytest.mark.parametrize(("group", "kernel"), [("se2", "separable"), ("sim2", "dgseparable")])
def test_the_kernel_at_hand_follows_its_parameters(group, kernel):
    """Without gradients it is kept until an optimiser, say, changes them."""
    layer = conv(group, kernel, 3, lift=False)
    x = maps(1, 2 * GRIDS[group].size, 5, 5)
    with torch.no_grad():
        before = layer(x)
        assert torch.equal(layer(x), before)
        for parameter in layer.parameters():
            parameter.mul_(1.1)
        changed = layer(x)
    assert not torch.allclose(changed, before, rtol=1e-3)
    torch.testing.assert_close(changed, layer(x), rtol=1e-12, atol=1e-13)


@pytest.mark.parametrize(("group", "kernel"), SMOOTH)
def test_every_parameter_has_a_gradient(group, kernel):
    layer = conv(group, kernel, 3, lift=False)
    layer(maps(2, 2 * GRIDS[group].size, 5, 5)).square().sum().backward()
    for name, parameter in layer.named_parameters():
        assert parameter.grad is not None and parameter.grad.norm() > 0, name


@pytest.mark.parametrize("group", GROUPS)
@pytest.mark.parametrize("lift", [True, False], ids=["lift", "group"])
def test_the_plain_convolution_computes_the_same(group, lift):
    layer = conv(group, "nonseparable", 5, lift=lift, padding=0)
    plain = layer.plain()
    x = maps(2, layer.in_channels * layer.kernel.elements, 8, 9)
    with torch.no_grad():
        assert torch.equal(plain(x), layer(x))
    assert type(plain) is torch.nn.Conv2d and plain.bias is None
    assert plain(x).shape == (2, 3 * GRIDS[group].size, 4, 5)
    assert plain.weight.is_contiguous(memory_format=torch.channels_last)


def test_a_kernel_follows_parameters_that_get_other_memory():
    conv = GroupConv2d(PlaneGrid(4), KernelSpec("gseparable", 8), 2, 3, 3)
    conv.kernel.draw(torch.Generator().manual_seed(0))
    x = torch.randn(1, 8, 5, 5)
    with torch.no_grad():
        before = conv(x)
        doubled = 2 * nn.utils.parameters_to_vector(conv.parameters())
        nn.utils.vector_to_parameters(doubled, conv.parameters())
        assert not torch.equal(conv(x), before)
        assert conv.double()(x.double()).dtype == torch.float64
