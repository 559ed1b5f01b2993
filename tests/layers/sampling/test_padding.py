"""Padding of every mode, against PyTorch's own and against windows written out."""

import math

import pytest
import torch
from torch import nn
from torch.nn import functional

from symscape.layers.effective import effective_network
from symscape.layers.factory import ConvFactory, initialise
from symscape.layers.parametrizations import PARAMETRIZATIONS
from symscape.layers.sampling.padding import PaddedConv2d
from symscape.symmetry.groups import Symmetry

MODES = ("zeros", "reflect", "replicate", "circular", "partial")


def partial_by_hand(x, weight, bias, stride, pads):
    """Every window by itself, its product times its taps over those that meet the map."""
    height, width = weight.shape[2:]
    padded = functional.pad(x, (pads[1], pads[1], pads[0], pads[0]))
    inside = functional.pad(torch.ones_like(x[0, 0]), (pads[1], pads[1], pads[0], pads[0]))
    rows = range(0, padded.shape[-2] - height + 1, stride)
    columns = range(0, padded.shape[-1] - width + 1, stride)
    y = x.new_empty(len(x), len(weight), len(rows), len(columns))
    for i, top in enumerate(rows):
        for j, left in enumerate(columns):
            here = (slice(top, top + height), slice(left, left + width))
            value = torch.einsum("ncyx,ocyx->no", padded[:, :, *here], weight)
            y[:, :, i, j] = value * (height * width / inside[here].sum()) + bias
    return y


@pytest.mark.parametrize("compute", ["direct", "fold"])
@pytest.mark.parametrize("mode", MODES)
@pytest.mark.parametrize(("size", "stride"), [((3, 3), 1), ((3, 3), 2), ((5, 3), 2)])
def test_tied_kernels_pad_like_pytorch(mode, size, stride, compute):
    pads = (size[0] // 2, size[1] // 2)
    conv = PARAMETRIZATIONS["tied"](
        Symmetry("hvflip"), 4, 6, size, stride=stride, padding=pads, groups=2, bias=True, mode=mode
    )
    initialise(conv, 3)
    conv.double()
    conv.bias.data.normal_()
    conv.compute = compute
    x = torch.randn(2, 4, 9, 8, dtype=torch.float64)
    if mode == "partial":
        blocks = zip(x.chunk(2, 1), conv.weight.chunk(2), conv.bias.chunk(2), strict=True)
        each = [partial_by_hand(*parts, stride, pads) for parts in blocks]
        expected = torch.cat(each, 1)
    else:
        plain = nn.Conv2d(4, 6, size, stride, pads, groups=2, padding_mode=mode).double()
        plain.weight.data, plain.bias.data = conv.weight.detach(), conv.bias.detach()
        expected = plain(x)
    assert torch.allclose(conv(x), expected, rtol=0, atol=1e-12)
    assert torch.allclose(effective_network(conv)(x), expected, rtol=0, atol=1e-12)


@pytest.mark.parametrize("mode", MODES)
def test_the_factory_s_plain_convolutions(mode):
    conv = ConvFactory(padding=mode)(3, 5, (3, 3), bias=True).double()
    assert type(conv) is (nn.Conv2d if mode == "zeros" else PaddedConv2d)
    assert isinstance(ConvFactory(padding=mode)(3, 5, (1, 1)), nn.Conv2d)
    conv.bias.data.normal_()
    x = torch.randn(2, 3, 6, 7, dtype=torch.float64)
    tied = PARAMETRIZATIONS["penalty"](
        Symmetry("hflip"), 3, 5, (3, 3), padding=(1, 1), bias=True, mode=mode
    ).double()
    tied.start_from(conv.weight.detach(), "plain")
    tied.bias.data = conv.bias.data
    assert torch.allclose(conv(x), tied(x), rtol=0, atol=1e-12)
    assert type(tied.plain()) is type(conv)


def test_partial_padding_makes_up_for_the_border():
    ones = torch.ones(1, 1, 224, 224)
    conv = PaddedConv2d(1, 1, 3, padding=1, mode="partial", bias=False)
    conv.weight.data.fill_(1.0)
    assert torch.allclose(conv(ones), torch.full((1, 1, 224, 224), 9.0))
    zeros = functional.conv2d(ones, conv.weight, padding=1)
    ratio = (conv(ones) / zeros)[0, 0]
    assert ratio[0, 0] == 9 / 4
    assert ratio[0, 5] == 3 / 2
    assert ratio[5, 5] == 1
    wide = PaddedConv2d(1, 1, (7, 1), stride=(2, 1), padding=(3, 0), mode="partial", bias=False)
    wide.weight.data.fill_(1.0)
    ratio = wide(ones) / functional.conv2d(ones, wide.weight, stride=(2, 1), padding=(3, 0))
    rows = ratio[0, 0, :, 0].tolist()
    assert rows[:3] == pytest.approx([1.75, 7 / 6, 1])
    assert rows[-2:] == pytest.approx([1, 1.4])


def test_partial_padding_of_a_dilated_kernel():
    x = torch.ones(1, 1, 9, 9)
    conv = PaddedConv2d(1, 1, 3, padding=2, dilation=2, mode="partial", bias=False)
    conv.weight.data.fill_(1.0)
    assert torch.allclose(conv(x), torch.full_like(x, 9.0))


@pytest.mark.parametrize("mode", MODES)
def test_autocast_keeps_the_type_of_a_convolution(mode):
    conv = ConvFactory(Symmetry("rot90"), padding=mode)(3, 4, (3, 3))
    with torch.autocast("cpu", torch.bfloat16):
        assert conv(torch.randn(1, 3, 8, 8)).dtype == torch.bfloat16


@pytest.mark.parametrize("mode", MODES)
def test_gradients(mode):
    conv = ConvFactory(Symmetry("rot90"), padding=mode)(2, 2, (3, 3), stride=2)
    initialise(conv, 0)
    conv.double()
    x = torch.randn(1, 2, 5, 6, dtype=torch.float64, requires_grad=True)
    for compute in ("direct", "fold"):
        conv.compute = compute
        assert torch.autograd.gradcheck(conv, (x,))
        assert torch.autograd.gradgradcheck(conv, (x,))


def test_a_plan_sees_the_padded_map():
    conv = PARAMETRIZATIONS["tied"](Symmetry("rot90"), 2, 2, (3, 3), padding=(1, 1), mode="reflect")
    geometry = conv.geometry((8, 6))
    assert (geometry.size, geometry.padding, geometry.out_size) == ((10, 8), (0, 0), (8, 6))
    assert math.prod(geometry.out_size) == 48
