"""Networks are followed through functions, branches and pads, or it is said why not."""

import pytest
import torch
from torch import nn
from torch.nn import functional

from symscape.audit.balance import balance
from symscape.audit.tracing.trace import trace


class Functional(nn.Module):
    """Calls a function between two convolutions."""

    def __init__(self, call, channels=4):
        super().__init__()
        self.first, self.call = nn.Conv2d(3, 4, 3, padding=1), call
        self.last = nn.Conv2d(channels, 4, 1)

    def forward(self, x):
        return self.last(self.call(self.first(x))).mean((2, 3))


def sites(call, size=(16, 16), channels=4):
    traced = trace(Functional(call, channels).eval(), 3, size)
    found = balance(traced)
    return [(s.op, s.offset) for s in found.sites if s.layer == ""], found, traced


@pytest.mark.parametrize(
    ("call", "expected"),
    [
        (lambda x: functional.max_pool2d(x, 2), [("max pool", (0, 0))]),
        (lambda x: functional.max_pool2d(x, 3, 2, 1), [("max pool", (-1, -1))]),
        (lambda x: x[..., ::2, ::2], [("slice", (-1, 0)), ("slice", (0, -1))]),
        (lambda x: x[:, :, 1:, :], [("slice", (1, 0))]),
        (lambda x: functional.pad(x, (1, 1, 1, 1)), []),
        (lambda x: functional.interpolate(x, scale_factor=2), []),
        (lambda x: functional.interpolate(x, size=(24, 32)), [("nearest", (-1, 0))]),
        (lambda x: functional.interpolate(x, size=(20, 20), mode="bilinear"), []),
        (lambda x: functional.adaptive_avg_pool2d(x, 5), []),
        (lambda x: x.permute(0, 2, 3, 1).relu().permute(0, 3, 1, 2), []),
        (lambda x: torch.cat([x[:, 2:], x[:, :2]], 1), []),
        (lambda x: x.view(1, 2, 2, 16, 16).transpose(1, 2).reshape(1, 4, 16, 16), []),
        (lambda x: x * x.mean((2, 3), keepdim=True).sigmoid(), []),
    ],
)
def test_functions_are_followed_like_modules(call, expected):
    found, balanced, traced = sites(call)
    assert found == expected
    assert not traced.unknown and balanced.head == "global"


def test_pads_are_paid_for_by_the_next_window():
    """timm's and TensorFlow's SAME: one more after than before, which stride 2 then reads."""

    def same(x):
        x = functional.pad(x, (0, 1, 0, 1)).relu()
        return functional.conv2d(x, torch.ones(4, 4, 3, 3), stride=2)

    found, _, traced = sites(same)
    assert found == [("convolution", (1, 1))] and traced.dynamic
    _, balanced, _ = sites(lambda x: functional.pad(x, (0, 1, 2, 0)))
    assert [(s.layer, s.offset) for s in balanced.uneven] == [("last", (-2, 1))]
    _, balanced, _ = sites(lambda x: functional.pad(x, (0, 1, 2, 0)).mean((2, 3), keepdim=True))
    assert [(s.op, s.offset) for s in balanced.uneven] == [("pad", (-2, 1))]


def test_circular_padding_is_seen_before_it_is_taken_apart():
    conv = nn.Conv2d(3, 4, 3, stride=2, padding=1, padding_mode="circular")
    found = balance(trace(nn.Sequential(conv, nn.AdaptiveAvgPool2d(1)).eval(), 3, (16, 16)))
    assert [(s.op, s.offset) for s in found.sites] == [("convolution", (-1, -1))]
    assert not found.unknown


@pytest.mark.parametrize("size", [(16, 16), (17, 16)])
def test_transposed_convolutions(size):
    for extra in (0, 1):
        network = nn.Sequential(
            nn.Conv2d(3, 4, 1), nn.ConvTranspose2d(4, 4, 3, 2, 1, output_padding=extra)
        ).eval()
        found = balance(trace(network, 3, size))
        assert found.sites[0].offset == (extra, extra) and found.head == "dense"
        assert found.last_size == tuple(network(torch.zeros(1, 3, *size)).shape[-2:])
        assert found.drift == (extra / 4, extra / 4)


@pytest.mark.parametrize(
    ("call", "why"),
    [
        (lambda x: functional.pixel_unshuffle(x, 2)[:, :4], "view|pixel_unshuffle"),
        (lambda x: x.roll(1, -1), "roll"),
        (lambda x: x.flip(-1), "flip"),
        (lambda x: x + torch.arange(16.0), "not symmetric"),
        (lambda x: x.cumsum(-1), "cumsum"),
        (lambda x: (x.flatten(2) @ torch.ones(256, 256)).view_as(x), "view|bmm|matmul|expand"),
    ],
)
def test_what_cannot_be_followed_is_said(call, why):
    import re

    _, found, traced = sites(call)
    assert re.search(why, traced.unknown), traced.unknown
    assert found.head == "none"


def test_constants_that_are_their_own_mirror_images_mark_no_place():
    assert not sites(lambda x: x * torch.linspace(-1, 1, 16).abs())[2].unknown


class Branches(nn.Module):
    """Adds a strided convolution, whose grid leans, to an average pool, whose grid does not."""

    def __init__(self):
        super().__init__()
        self.conv = nn.Conv2d(3, 3, 3, 2, 1)
        self.pool = nn.AvgPool2d(2)

    def forward(self, x):
        return (self.conv(x) + self.pool(x)).mean((2, 3))


def test_maps_that_meet_apart():
    found = balance(trace(Branches().eval(), 3, (16, 16)))
    assert [each.apart for each in found.misaligned] == [(0.5, 0.5)]
    assert not found.balanced
    assert not balance(trace(nn.Sequential(Branches()).eval(), 3, (2, 2))).misaligned


class Looks(nn.Module):
    """Control flow on values."""

    def __init__(self):
        super().__init__()
        self.conv = nn.Conv2d(3, 4, 3, 2, 1)

    def forward(self, x):
        x = self.conv(x)
        return x.mean((2, 3)) if x.sum() > -1e9 else x.amax((2, 3))


def test_control_flow_on_values():
    found = balance(trace(Looks().eval(), 3, (16, 16)))
    assert [(s.layer, s.offset) for s in found.sites] == [("conv", (-1, -1))]
    assert found.head == "global"


def test_the_kernel_applied_is_what_is_noted():
    conv = nn.utils.parametrizations.weight_norm(nn.Conv2d(3, 4, 3, stride=2, padding=1))
    norm = nn.BatchNorm2d(4)
    norm.running_var.uniform_(0.5, 2)
    norm.weight.data.uniform_(0.5, 2)
    network = nn.Sequential(conv, norm, nn.ReLU(), nn.Conv2d(4, 2, 1)).eval()
    traced = trace(network, 3, (8, 8))
    first, second = traced.convolutions
    assert torch.equal(first.kernel, conv.weight) and first.stride == (2, 2)
    assert torch.allclose(first.scale, norm.weight / (norm.running_var + norm.eps).sqrt())
    assert (first.name, second.name, second.scale) == ("0", "3", None)
    assert all(p.device.type == "cpu" for p in network.parameters())
    assert not [h for m in network.modules() for h in (*m._forward_hooks, *m._forward_pre_hooks)]


def test_a_layer_that_cannot_take_the_map_is_named():
    from symscape.errors import SymscapeError

    network = nn.Sequential(nn.Conv2d(3, 4, 3), nn.Sequential(nn.Conv2d(4, 4, 9))).eval()
    with pytest.raises(SymscapeError, match=r"^input_size=8x8: 1\.0: .*[Kk]ernel size"):
        trace(network, 3, (8, 8))
