"""Kernels on lines between factored group kernels are few products, and are evaluated by these."""

import pytest
import torch
from torch import nn
from torch.nn.functional import conv2d

from symscape.landscape.alignment import permute_state
from symscape.landscape.alignment.permutation import random_permutations
from symscape.landscape.batchnorm import reset_statistics
from symscape.landscape.interpolation import Line
from symscape.layers import evaluation
from symscape.layers.effective import effective_network
from symscape.layers.evaluation import for_evaluation
from symscape.layers.products import in_products, products_of
from symscape.models.permutations import permutation_spec
from tests.layers.lie.grids import conv, maps
from tests.layers.lie.networks import Fixed, network, state

DTYPES = (torch.float32, torch.float64)
EPS = {dtype: torch.finfo(dtype).eps for dtype in DTYPES}


def kernel(name, dtype, seed=0, group="se2"):
    layer = conv(group, name, 7, lift=False)
    layer.kernel.draw(torch.Generator().manual_seed(seed))
    return layer.to(dtype).plain().weight.detach()


@pytest.mark.parametrize("dtype", DTYPES)
@pytest.mark.parametrize("name", ["separable", "dgseparable"])
def test_a_separable_kernel_is_one_product_and_a_line_two(dtype, name):
    a, b = (kernel(name, dtype, seed) for seed in (0, 1))
    for alpha, count in ((0.0, 1), (0.3, 2), (1.0, 1)):
        whole = torch.lerp(a, b, alpha)
        products = products_of(whole)
        assert len(products) == count
        again = sum(p.mix * p.each for p in products)
        assert (again - whole).abs().max() <= 20 * EPS[dtype] * whole.abs().max()
        x, bias = maps(2, 16, 9, 9).to(dtype), maps(24).to(dtype)
        y = conv2d(x, whole, bias, padding=2)
        assert (in_products(x, products, bias, (2, 2)) - y).norm() <= 50 * EPS[dtype] * y.norm()


def test_a_channel_that_is_small_is_as_exact_as_the_others():
    a, b = (kernel("separable", torch.float32, seed) for seed in (0, 1))
    whole = torch.lerp(a, b, 0.5) * torch.logspace(0, -8, 24)[:, None, None, None]
    whole[5] = 0
    again = sum(p.mix * p.each for p in products_of(whole))
    largest = whole.abs().amax((1, 2, 3))
    assert ((again - whole).abs().amax((1, 2, 3)) <= 1e-5 * largest).all()


@pytest.mark.parametrize(
    "other",
    [
        kernel("nonseparable", torch.float32),
        torch.randn(16, 16, 3, 3),
        torch.randn(16, 3, 3, 3),  # An image's colours: no product is cheaper.
        torch.randn(8, 1, 5, 5),
        torch.randn(8, 8, 1, 1),
        torch.zeros(8, 8, 5, 5),
    ],
    ids=lambda k: str(tuple(k.shape)),
)
def test_other_kernels_are_none(other):
    assert products_of(other) == []


@pytest.fixture
def used(monkeypatch) -> list[int]:
    """Record of how many products each convolution of an evaluation is."""
    seen: list[int] = []

    def record(x, products, *rest):
        seen.append(len(products))
        return in_products(x, products, *rest)

    monkeypatch.setattr(evaluation, "in_products", record)
    return seen


def ends(kernel, dtype):
    """Two networks with 7 x 7 kernels, the second with its channels permuted and translated."""
    a, b = (
        effective_network(network("se2", kernel=kernel, seed=s, kernel_size=7, width=2))
        for s in (0, 1)
    )
    spec = permutation_spec(b)
    moved = permute_state(state(b), spec, random_permutations(spec, torch.Generator()))
    return a.to(dtype), state(a), moved


@pytest.mark.parametrize("dtype", DTYPES)
def test_a_line_is_evaluated_by_the_products_of_both_ends(used, dtype):
    net, left, right = ends("separable", dtype)
    fast = for_evaluation(net, str(dtype).removeprefix("torch."))
    line = Line(net, {}, statistics=Fixed(seed=9), forward=fast)
    x = Fixed(6, seed=5).x.to(dtype)
    images = [(x, None)]
    with torch.inference_mode():
        for alpha, count in ((0.0, 1), (0.4, 2)):
            line.fill(left, right, alpha)
            reset_statistics(net, images, fast)
            used.clear()
            y = net(x)
            assert (fast(x) - y).norm() <= 500 * EPS[dtype] * y.norm()
            assert used == [count] * 5  # Two of each block and the last; the lift stays whole.


def test_in_bfloat16_and_without_factors_kernels_stay_whole(used):
    x = Fixed(6, seed=5).x.float()
    net, *_ = ends("nonseparable", torch.float32)
    with torch.inference_mode():
        for_evaluation(net, "float32")(x)
    net, *_ = ends("separable", torch.float32)
    with torch.inference_mode(), torch.autocast("cpu", torch.bfloat16):
        for_evaluation(net, "bfloat16")(x)
    assert used == []


def test_strided_kernels_stay_whole(used):
    layer = nn.Conv2d(16, 24, 7, stride=2, padding=3)
    layer.weight = nn.Parameter(kernel("separable", torch.float32))
    x = maps(1, 16, 9, 9).float()
    with torch.inference_mode():
        fast = for_evaluation(nn.Sequential(layer).eval(), "float32")
        assert torch.allclose(fast(x), layer(x), atol=1e-5)
    assert used == []
