"""Strided convolutions are those of PyTorch, and neither read nor write outside their buffers."""

from __future__ import annotations

import copy
import os
import subprocess
import sys
from typing import Any

import pytest
import torch
from torch import nn

from symscape.curvature.rewriting import twice_differentiable
from symscape.layers.evaluation import for_evaluation
from symscape.layers.factory import ConvFactory
from symscape.layers.sampling.strided import StridedConv2d, convolve, sound

# Each dies with `plain`, which takes the cure away, where oneDNN has the fault (AVX512): the heap
# is checked, and two threads share an odd number of images.
CHILD = """
import symscape
import sys
import torch
from torch import nn
from symscape.config.groups import SymmetryConfig
from symscape.config.network.model import ModelConfig
from symscape.curvature.hessian import Hessian
from symscape.layers.sampling import strided
from symscape.layers.effective import effective_network
from symscape.layers.factory import ConvFactory
from symscape.models.build import build_network

torch.set_num_threads(2)
if "plain" in sys.argv:
    strided.SOUND = 0

def images(count, channels):
    return torch.randn(count, channels, 32, 32).contiguous(memory_format=torch.channels_last)

def gradient(network, x):
    network(x).square().sum().backward()

def product(network, x):
    hessian = Hessian(network.eval(), x, torch.zeros(len(x), dtype=torch.long))
    hessian.product(torch.randn(hessian.dimension))

def classifier(conv):
    return nn.Sequential(conv, nn.Softplus(), nn.AdaptiveAvgPool2d(1), nn.Flatten())

def for_shapes(call, make):
    for channels in (2, 3, 4, 8, 12, 16):
        for count in (7, 15, 7, 15):
            conv = make(channels, 2 * channels, (1, 1), stride=2)
            nn.init.normal_(conv.weight)
            call(classifier(conv), images(count, channels))

def train():
    network = build_network(ModelConfig("resnet20", width=4), SymmetryConfig("rot90"),
                            in_channels=3, classes=10, seed=0)
    for count in (7, 15):
        gradient(network, images(count, 3))
    product(effective_network(network), images(15, 3))

{"gradient": lambda: for_shapes(gradient, ConvFactory()),
 "product": lambda: for_shapes(product, ConvFactory()),
 "product of a user's network": lambda: for_shapes(product, nn.Conv2d),
 "train": train}[sys.argv[1]]()
"""


SLOW = ["product", "product of a user's network", "train"]
WHAT = ["gradient", *(pytest.param(each, marks=pytest.mark.slow) for each in SLOW)]


@pytest.mark.parametrize("what", WHAT)
def test_memory_is_whole_behind_strided_pointwise_convolutions(what: str) -> None:
    environment = {**os.environ, "MALLOC_CHECK_": "3"}
    done = subprocess.run(
        [sys.executable, "-c", CHILD, what], env=environment, capture_output=True, text=True
    )
    assert done.returncode == 0, done.stderr


@pytest.mark.parametrize("channels", [3, 16])
@pytest.mark.parametrize("size", [(8, 8), (7, 8), (9, 5), (1, 2)])
@pytest.mark.parametrize("stride", [(2, 2), (1, 3)])
def test_a_thinned_convolution_is_torch_s(
    channels: int, size: tuple[int, int], stride: tuple[int, int]
) -> None:
    generator = torch.Generator().manual_seed(0)
    x = torch.randn(3, channels, *size, generator=generator, dtype=torch.float64)
    weight = torch.randn(5, channels, 1, 1, generator=generator, dtype=torch.float64)
    bias = torch.randn(5, generator=generator, dtype=torch.float64)
    found = convolve(x, weight, bias, stride, (0, 0), (1, 1), 1)
    torch.testing.assert_close(found, torch.conv2d(x, weight, bias, stride), rtol=1e-13, atol=1e-13)


@pytest.mark.parametrize(
    "kernel, padding, groups", [((1, 1), 1, 1), ((3, 1), 0, 2), ((1, 1), 0, 2)]
)
def test_convolutions_of_all_sorts_are_torch_s(
    kernel: tuple[int, int], padding: int, groups: int
) -> None:
    generator = torch.Generator().manual_seed(0)
    x = torch.randn(3, 4, 6, 7, generator=generator, dtype=torch.float64)
    weight = torch.randn(6, 4 // groups, *kernel, generator=generator, dtype=torch.float64)
    found = convolve(x, weight, None, (2, 2), (padding, padding), (1, 1), groups)
    expected = torch.conv2d(x, weight, None, 2, padding, 1, groups)
    torch.testing.assert_close(found, expected, rtol=1e-13, atol=1e-13)


def test_the_factory_s_keys_are_those_of_a_plain_convolution() -> None:
    made = ConvFactory()(4, 8, (1, 1), stride=2, bias=True)
    assert type(made) is StridedConv2d
    assert list(made.state_dict()) == list(nn.Conv2d(4, 8, 1).state_dict())
    assert type(ConvFactory()(4, 8, (1, 1))) is nn.Conv2d


@pytest.mark.parametrize("padding", [0, "valid"])
def test_rewritten_networks_of_users_hold_none_that_could_fault(padding: int | str) -> None:
    class Branching(nn.Sequential):
        def forward(self, x: torch.Tensor) -> torch.Tensor:
            return super().forward(x if x.sum() > 0 else -x)

    for kind in (nn.Sequential, Branching):
        network = kind(nn.Conv2d(3, 4, 1, stride=2, padding=padding), nn.BatchNorm2d(4)).eval()
        before = copy.deepcopy(network)
        for made in (twice_differentiable(network), for_evaluation(network, "float32")):
            left = [m for m in made.modules() if type(m) is nn.Conv2d]
            assert all(m in set(network.modules()) for m in left)
            x = torch.randn(2, 3, 6, 6)
            torch.testing.assert_close(made(x), before(x))
            assert {id(p) for p in made.parameters()} == {id(p) for p in network.parameters()}
        assert type(network[0]) is nn.Conv2d


def test_a_network_without_the_fault_is_left_as_it_is() -> None:
    network = nn.Sequential(
        nn.Conv2d(16, 4, 1, stride=2), nn.Conv2d(4, 4, 3, stride=2), nn.Conv2d(4, 4, 3, padding=1)
    )
    assert sound(network) is network


SINGLE = [
    ((1, 1), (3, 3), (2, 2), (1, 1), 1),
    ((1, 1), (3, 3), (2, 2), (2, 2), 2),
    ((4, 1), (2, 2), (1, 2), (1, 1), 1),
    ((2, 2), (5, 5), (3, 3), (2, 2), 1),
    ((1, 2), (3, 3), (3, 3), (1, 1), 1),
    ((3, 1), (3, 5), (2, 3), (1, 2), 1),
]


@pytest.mark.parametrize("size, kernel, stride, padding, dilation", SINGLE)
@pytest.mark.parametrize("groups", [1, 4])
def test_gradients_where_one_column_is_left_are_those_of_the_formula(
    size: tuple[int, int],
    kernel: tuple[int, int],
    stride: tuple[int, int],
    padding: tuple[int, int],
    dilation: int,
    groups: int,
) -> None:
    # With small integers bfloat16 is exact; where the fault is, its gradients are up to 1e37.
    generator = torch.Generator().manual_seed(0)
    shapes = (4, 48, *size), (96, 48 // groups, *kernel)
    x, weight = (torch.randint(-2, 3, shape, generator=generator) for shape in shapes)
    found, expected = (
        _gradients(x.to(dtype), weight.to(dtype), stride, padding, (dilation, dilation), groups)
        for dtype in (torch.bfloat16, torch.float64)
    )
    for ours, exact in zip(found, expected, strict=True):
        assert torch.equal(ours.double(), exact)


def _gradients(x: torch.Tensor, weight: torch.Tensor, *geometry: Any) -> list[torch.Tensor]:
    """Return the answers of a convolution and their derivatives; each is a small integer."""
    x, weight = x.requires_grad_(), weight.requires_grad_()
    with_garbage = [torch.full((1000 * 10**i,), 3e30) for i in range(3)]
    del with_garbage  # So memory that is taken anew is not zero by chance.
    make = torch.conv2d if x.dtype == torch.float64 else convolve
    y = make(x, weight, None, *geometry)
    y[:, ::7].sum().backward()
    assert x.grad is not None and weight.grad is not None
    return [y.detach()[:, ::16], x.grad, weight.grad]


def test_a_strided_module_is_guarded_wherever_it_is_made() -> None:
    made = ConvFactory()(4, 8, (3, 3), stride=2)
    (given,) = sound(nn.Sequential(nn.Conv2d(4, 8, 3, stride=2, padding=1))).children()
    assert type(made) is type(given) is StridedConv2d
    circular = nn.Sequential(nn.Conv2d(4, 8, 3, stride=2, padding=1, padding_mode="circular"))
    assert sound(circular) is circular
