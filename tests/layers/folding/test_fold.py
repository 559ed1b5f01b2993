"""A folded convolution is the direct one: values, gradients, Hessian products."""

import copy
import math

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from torch import Tensor, nn
from torch.nn import functional

from symscape.config.groups import SYMMETRIES
from symscape.layers.conv import SymmetricConv2d
from symscape.layers.effective import stored_state
from symscape.layers.factory import ConvFactory, initialise
from symscape.layers.folding import workers
from symscape.layers.folding.geometry import Geometry
from symscape.layers.folding.stencil import fold, spread
from symscape.layers.parametrizations import PARAMETRIZATIONS
from symscape.symmetry.groups import Symmetry

TYING = [name for name in SYMMETRIES if name != "vanilla"]


def conv(
    name: str = "rot90", *, size: int = 3, kind: str = "tied", inputs: int = 4, **options
) -> SymmetricConv2d:
    options = {"padding": (size // 2, size // 2), **options}
    layer = PARAMETRIZATIONS[kind](Symmetry(name), inputs, 6, (size, size), **options)
    initialise(layer, 0)
    return layer


def twins(layer: SymmetricConv2d) -> tuple[SymmetricConv2d, SymmetricConv2d]:
    direct, fold = copy.deepcopy(layer), copy.deepcopy(layer)
    fold.compute = "fold"
    return direct, fold


def random(*shape: int, seed: int = 0) -> Tensor:
    generator = torch.Generator().manual_seed(seed)
    return torch.randn(shape, generator=generator, dtype=torch.float64)


def everything(layer: nn.Module, x: Tensor) -> list[Tensor]:
    """Return the values, the gradients and a Hessian product in input and parameters."""
    x = x.clone().requires_grad_()
    variables = [x, *layer.parameters()]
    y = layer(x)
    weights = random(*y.shape, seed=1).to(y)
    gradients = torch.autograd.grad((y.square() * weights).mean(), variables, create_graph=True)
    directions = [random(*g.shape, seed=2 + i).to(g) for i, g in enumerate(gradients)]
    along = sum((g * d).sum() for g, d in zip(gradients, directions, strict=True))
    products = torch.autograd.grad(along, variables)
    return [y.detach(), *(g.detach() for g in gradients), *products]


def error(value: Tensor, reference: Tensor) -> float:
    return ((value.to(reference) - reference).norm() / reference.norm()).item()


@settings(deadline=None, max_examples=80)
@given(
    name=st.sampled_from(TYING),
    size=st.sampled_from([1, 3, 5, 7]),
    stride=st.integers(1, 3),
    padding=st.tuples(st.integers(0, 7), st.integers(0, 7)),
    groups=st.sampled_from([1, 2]),
    height=st.integers(7, 10),
    width=st.integers(7, 10),
    bias=st.booleans(),
    kind=st.sampled_from(["tied", "projected"]),
)
def test_folded_is_direct_for_every_geometry(name, size, kind, height, width, **options):
    direct, fold = twins(conv(name, size=size, kind=kind, **options))
    x = random(3, 4, height, width)
    references = everything(direct.double(), x)
    for value, reference in zip(everything(fold.double(), x), references, strict=True):
        assert error(value, reference) < 1e-12


@pytest.mark.parametrize("name", TYING)
def test_folded_is_direct_in_float32(name):
    direct, fold = twins(conv(name, inputs=16))
    x = random(2, 16, 8, 9)
    references = everything(direct.double(), x)
    for value, reference in zip(everything(fold, x.float()), references, strict=True):
        assert value.dtype == torch.float32
        assert error(value, reference) < 1e-5


@pytest.mark.parametrize("name", TYING)
@pytest.mark.parametrize("stride", [1, 2])
def test_under_autocast_it_rounds_as_a_convolution_does(name, stride):
    direct, fold = twins(conv(name, inputs=32, stride=stride))
    x = random(4, 32, 8, 8)
    references = everything(copy.deepcopy(direct).double(), x)[:3]
    found = []
    for layer in (direct, fold):
        image = x.float().requires_grad_()
        with torch.autocast("cpu", torch.bfloat16):
            y = layer(image)
        assert y.dtype == torch.bfloat16
        weights = random(*y.shape, seed=1).to(y.dtype)
        loss = (y.float().square() * weights).mean()
        gradients = torch.autograd.grad(loss, [image, *layer.parameters()])
        found.append([error(v, r) for v, r in zip((y, *gradients), references, strict=True)])
    for rounding, folded in zip(*found, strict=True):
        # Rounded to 8 bits: the sums once more than the images and kernels of a convolution.
        assert folded < 2 * rounding < 0.02


def test_blocks_of_the_batch_change_nothing(monkeypatch):
    whole, parted = twins(conv())
    whole.compute = "fold"
    for stride in (1, 2):
        whole.stride = parted.stride = (stride, stride)
        x = random(7, 4, 9, 8)
        references = everything(whole.double(), x)
        with monkeypatch.context() as patch:
            patch.setattr(workers, "BLOCK", 2 * 3 * 72 * 4 * 8)
            for value, reference in zip(everything(parted.double(), x), references, strict=True):
                assert error(value, reference) < 1e-13


@pytest.mark.parametrize("batch", [0, 1])
def test_any_batch_and_layout(batch):
    direct, fold = twins(conv())
    x = random(batch, 4, 6, 5).float()
    for images in (x, x.contiguous(memory_format=torch.channels_last), x.flip(0)):
        torch.testing.assert_close(fold(images), direct(images))
    y = fold(x)
    assert y.is_contiguous(memory_format=torch.channels_last)
    assert y.shape == direct(x).shape


def test_gradients_are_made_only_where_they_are_wanted():
    for stride in (1, 2):
        direct, fold = twins(conv(stride=stride))
        x = random(2, 4, 6, 6).float()
        grads = []
        for layer in (direct, fold):
            layer(x).square().sum().backward()
            grads.append(next(layer.parameters()).grad)
            layer.requires_grad_(False)
            image = x.clone().requires_grad_()
            grads.append(torch.autograd.grad(layer(image).square().sum(), image)[0])
        torch.testing.assert_close(grads[2], grads[0])
        torch.testing.assert_close(grads[3], grads[1])


def test_the_state_is_the_same_and_so_is_the_effective_network():
    direct, fold = twins(conv("d4", kind="projected"))
    assert list(direct.state_dict()) == list(fold.state_dict())
    for name, tensor in stored_state(nn.Sequential(direct)).items():
        assert torch.equal(stored_state(nn.Sequential(fold))[name], tensor)


def test_a_fold_reads_the_taps_inside_the_image_and_writes_the_orbits():
    geometry = conv("rot90").geometry((4, 4))
    assert geometry.inside == (4 + 3 + 3) ** 2
    assert geometry.work == 100 + 3 * 4 * 4


@pytest.mark.parametrize("stride, padding, size", [(1, (1, 1), (4, 5)), (2, (0, 3), (7, 6))])
def test_spreading_is_the_adjoint_of_folding(stride, padding, size):
    labels = ((0, 1, 0), (2, 3, 2), (0, 1, 0))
    geometry = Geometry(labels, size, stride, padding)
    generator = torch.Generator().manual_seed(0)
    x = torch.randn(3, *size, 2, generator=generator, dtype=torch.float64)
    folded = fold(x, geometry)
    assert folded.shape == (3 * math.prod(geometry.out_size), 4 * 2)
    g = torch.randn(folded.shape, generator=generator, dtype=torch.float64)
    back = spread(g, geometry)
    assert back.shape == x.shape
    torch.testing.assert_close((folded * g).sum(), (x * back).sum(), rtol=1e-12, atol=1e-12)


def test_a_fold_in_bfloat16_is_rounded_once():
    geometry = Geometry(((0, 0, 0), (0, 1, 0), (0, 0, 0)), (5, 5), padding=(1, 1))
    x = torch.randn(2, 5, 5, 16, generator=torch.Generator().manual_seed(0)).bfloat16()
    exact = fold(x.double(), geometry)
    error = (fold(x, geometry).double() - exact).abs()
    assert (error <= exact.abs() * torch.finfo(torch.bfloat16).eps / 2).all()


def test_one_training_step_of_a_folded_network_is_that_of_a_direct_one():
    def network(compute: str) -> nn.Module:
        make = ConvFactory(Symmetry("hvflip"))
        layers = [make(3, 8, (3, 3)), nn.BatchNorm2d(8), nn.ReLU(), make(8, 4, (3, 3), stride=2)]
        built = nn.Sequential(*layers)
        initialise(built, 0)
        built.double()
        for module in built:
            if isinstance(module, SymmetricConv2d):
                module.compute = compute
        optimiser = torch.optim.SGD(built.parameters(), lr=0.1, momentum=0.9, weight_decay=1e-2)
        for step in range(3):
            optimiser.zero_grad()
            y = built(random(4, 3, 8, 8, seed=step))
            functional.mse_loss(y, random(4, 4, 4, 4)).backward()
            optimiser.step()
        return built

    direct, fold = network("direct"), network("fold")
    for a, b in zip(direct.state_dict().values(), fold.state_dict().values(), strict=True):
        torch.testing.assert_close(a, b, rtol=1e-12, atol=1e-12)
