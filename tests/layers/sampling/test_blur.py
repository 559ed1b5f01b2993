"""Blurs: against depthwise convolutions, against timm's, and by hand."""

import pytest
import torch
from torch.nn import functional

from symscape.errors import SymscapeError
from symscape.layers.sampling.blur import Blur, taps_for

PASCAL = {2: [1, 1], 3: [1, 2, 1], 4: [1, 3, 3, 1], 5: [1, 4, 6, 4, 1]}


@pytest.mark.parametrize("mode", ["reflect", "circular", "replicate", "zeros"])
@pytest.mark.parametrize("taps", [None, 2, 3, 4, 5])
@pytest.mark.parametrize("size", [(8, 8), (9, 7), (8, 5)])
def test_a_blur_is_a_depthwise_convolution(size, taps, mode):
    x = torch.randn(2, 3, *size, dtype=torch.float64)
    rows, columns = (taps or taps_for(n) for n in size)
    kernel = torch.outer(*(torch.tensor(PASCAL[f], dtype=torch.float64) for f in (rows, columns)))
    kernel = (kernel / kernel.sum()).expand(3, 1, rows, columns)
    pads = ((columns - 1) // 2, columns // 2, (rows - 1) // 2, rows // 2)
    padded = functional.pad(x, pads, "constant" if mode == "zeros" else mode)
    expected = functional.conv2d(padded, kernel, stride=2, groups=3)
    y = Blur(taps, mode)(x)
    assert y.shape == expected.shape == (2, 3, *(-(-n // 2) for n in size))
    assert torch.allclose(y, expected, rtol=0, atol=1e-14)


def test_of_a_diagonal_by_hand():
    eye = torch.eye(5, dtype=torch.float64)[None, None]
    zeros, reflect = (Blur(3, mode)(eye)[0, 0] for mode in ("zeros", "reflect"))
    beside = torch.ones(2, dtype=torch.float64)
    expected = torch.diag(torch.tensor([0.3125, 0.375, 0.3125], dtype=torch.float64))
    expected += 0.0625 * (torch.diag(beside, 1) + torch.diag(beside, -1))
    assert torch.equal(zeros, expected)
    expected = torch.diag(torch.tensor([0.5, 0.375, 0.5], dtype=torch.float64))
    expected += 0.125 * (torch.diag(beside, 1) + torch.diag(beside, -1))
    assert torch.equal(reflect, expected)


@pytest.mark.parametrize("taps", [3, 5])
def test_against_timm(taps):
    blur_pool = pytest.importorskip("timm.layers").BlurPool2d
    x = torch.randn(2, 4, 12, 11)
    theirs = blur_pool(4, filt_size=taps, stride=2)(x)
    assert torch.allclose(Blur(taps)(x), theirs, atol=1e-6)


@pytest.mark.parametrize("size", [7, 8])
def test_the_right_filter_commutes_with_flips(size):
    x = torch.randn(1, 1, size, size, dtype=torch.float64)
    for taps in (2, 3, 4, 5):
        blur = Blur(taps)
        even = torch.allclose(blur(x.flip(-1)), blur(x).flip(-1), rtol=0, atol=1e-14)
        assert even == ((size + taps) % 2 == 0)
    assert torch.allclose(Blur()(x.flip(-1)), Blur()(x).flip(-1), rtol=0, atol=1e-14)


def test_a_constant_stays_what_it_is():
    assert torch.allclose(Blur()(torch.ones(1, 2, 8, 7)), torch.ones(1, 2, 4, 4))


def test_derivatives_and_types():
    x = torch.randn(1, 2, 5, 6, dtype=torch.float64, requires_grad=True)
    assert torch.autograd.gradcheck(Blur(), (x,))
    assert torch.autograd.gradgradcheck(Blur(), (x,))
    with torch.autocast("cpu", torch.bfloat16):
        assert Blur()(torch.randn(1, 2, 8, 8).bfloat16()).dtype == torch.bfloat16
    with torch.inference_mode():
        Blur()(torch.randn(1, 1, 31, 31))
    x = torch.randn(1, 1, 31, 31, requires_grad=True)  # Its matrix is no inference tensor.
    Blur()(x).sum().backward()


def test_an_axis_that_is_too_short():
    with pytest.raises(SymscapeError, match="a blur of 4 taps needs more than 2 pixels, not 2"):
        Blur()(torch.ones(1, 1, 2, 2))
