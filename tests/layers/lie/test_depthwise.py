"""Depthwise convolutions with a weight gradient of their own, against PyTorch's."""

import pytest
import torch

from symscape.layers.lie.depthwise import depthwise
from tests.layers.lie.grids import maps


def both(x, w, padding):
    """Values and gradients, ours and PyTorch's."""
    for step in (
        lambda a, b: depthwise(a, b, padding),
        lambda a, b: torch.conv2d(a, b, padding=padding, groups=a.shape[1]),
    ):
        a, b = x.clone().requires_grad_(), w.clone().requires_grad_()
        y = step(a, b)
        yield (
            y,
            *torch.autograd.grad(
                (y * torch.sin(torch.arange(y.numel()).view(y.shape))).sum(), (a, b)
            ),
        )


@pytest.mark.parametrize("layout", [torch.contiguous_format, torch.channels_last])
@pytest.mark.parametrize(("taps", "padding"), [(1, 0), (3, 1), (5, 2), (7, 3), (7, 0)])
def test_values_and_gradients_are_pytorch_s(taps, padding, layout):
    x = maps(3, 4, 9, 8).contiguous(memory_format=layout)
    for ours, theirs in zip(*both(x, maps(4, 1, taps, taps), padding), strict=True):
        torch.testing.assert_close(ours, theirs, rtol=1e-12, atol=1e-12)


def test_gradients_are_those_of_finite_differences():
    x, w = maps(2, 2, 6, 6).requires_grad_(), maps(2, 1, 5, 5).requires_grad_()
    assert torch.autograd.gradcheck(lambda a, b: depthwise(a, b, 2), (x, w))


def test_autocast_rounds_the_result_and_not_the_sums():
    x, w = maps(2, 4, 9, 9).float(), maps(4, 1, 7, 7).float()
    with torch.autocast("cpu", torch.bfloat16):
        y = depthwise(x, w, 3)
    assert y.dtype == torch.bfloat16
    assert torch.equal(y, depthwise(x, w, 3).bfloat16())
