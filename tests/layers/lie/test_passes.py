"""A kernel applied factor after factor, and the plain convolution that it stands for."""

import pytest
import torch

from symscape.layers.lie.passes import WITH_PASSES
from tests.layers.lie.grids import GRIDS, PAIRS, conv, maps

PASSES = [pair for pair in PAIRS if pair[1] in WITH_PASSES]


def results(layer, x: torch.Tensor, passes: bool) -> list[torch.Tensor]:
    """What the layer computes, and the gradients of some scalar."""
    layer.passes = passes
    x = x.clone().requires_grad_()
    y = layer(x)
    probe = torch.cos(torch.arange(y.numel())).view(y.shape).to(y)
    return [y, *torch.autograd.grad((y * probe).sum(), [x, *layer.parameters()])]


@pytest.mark.parametrize("padding", [None, 0])
@pytest.mark.parametrize("size", [3, 7])
@pytest.mark.parametrize(("group", "kernel"), PASSES)
def test_passes_are_the_plain_convolution_and_so_are_their_gradients(group, kernel, size, padding):
    layer = conv(group, kernel, size, lift=False, padding=padding)
    x = maps(2, 2 * GRIDS[group].size, 8, 9)
    for a, b in zip(results(layer, x, True), results(layer, x, False), strict=True):
        torch.testing.assert_close(a, b, rtol=1e-11, atol=1e-12 * b.abs().max().item())


def test_passes_are_taken_where_they_halve_the_multiplications():
    assert conv("se2", "separable", 7, lift=False).passes
    assert not conv("se2", "gseparable", 7, lift=False).passes
    assert not conv("se2", "separable", 7, lift=True).passes
    assert not conv("se2", "separable", 1, lift=False).passes
