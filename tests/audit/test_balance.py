"""Where padding leans: known networks, and windows counted one by one."""

import itertools

import pytest
import torch
from hypothesis import assume, given, settings
from hypothesis import strategies as st
from torch import nn
from torchvision import models

from symscape.audit.balance import balance, balanced_sizes
from symscape.audit.tracing.trace import trace
from symscape.config.network.model import ModelConfig
from symscape.models.build import build_plain


def classifier(name, **options):
    return models.get_model(name, weights=None, **options).eval()


def unread(network, size, channels=3):
    """Return u of the strided sites, along rows."""
    return [site.unread[0] for site in balance(trace(network, channels, (size, size))).strided]


def sizes(network, size, channels=3):
    """Return the nearest balanced numbers of rows."""
    traced = trace(network, channels, (size, size))
    rows, columns = balanced_sizes(traced, lambda pair: trace(network, channels, pair))
    assert rows == columns
    return rows


@pytest.mark.parametrize("name", ["resnet18", "resnet50", "mobilenet_v2"])
def test_networks_that_halve_five_times(name):
    network = classifier(name)
    for size in (224, 256, 288):
        found = balance(trace(network, 3, (size, size)))
        assert all(site.unread == (1, 1) and site.offset == (-1, -1) for site in found.strided)
        assert found.drift == (-15.5, -15.5) and found.head == "global"
    for size in (193, 225, 257, 289):
        found = balance(trace(network, 3, (size, size)))
        assert found.balanced and found.drift == (0, 0)
    assert sizes(network, 224) == (193, 225)
    oblong = balance(trace(network, 3, (225, 160)))
    assert [site.offset for site in oblong.strided] == [(0, -1)] * len(oblong.strided)


@pytest.mark.parametrize(
    ("name", "size", "expected"),
    [
        ("alexnet", 224, [1, 0, 0, 0]),
        ("alexnet", 223, [0, 0, 0, 0]),
        ("vgg16", 224, [0] * 5),
        ("convnext_tiny", 224, [0] * 4),
        ("squeezenet1_0", 224, [1, 0, -1, 0]),
        ("squeezenet1_0", 227, [0] * 4),
        ("googlenet", 224, [1, -1, -1, -1, 0]),
        ("inception_v3", 299, [0] * 9),
        ("inception_v3", 300, [1] + [0] * 8),
        ("densenet121", 224, [1, 1, 0, 0, 0]),
        ("densenet121", 225, [0, 0, 1, 0, 0]),
        ("densenet121", 221, [0] * 5),
    ],
)
def test_published_architectures(name, size, expected):
    options = {"init_weights": False} if name in ("googlenet", "inception_v3") else {}
    network = classifier(name, **options)
    assert unread(network, size) == expected
    positional = name in ("alexnet", "vgg16")
    head = balance(trace(network, 3, (size, size))).head
    assert head == ("positional" if positional else "global")
    if name == "googlenet":
        assert balance(trace(network, 3, (size, size))).drift == (6.5, 6.5)
        assert sizes(network, 224)[1] == 237


@pytest.mark.parametrize(
    ("name", "size", "offsets"),
    [
        ("resnet20", 32, [1, 1, 1, 1]),
        ("resnet20", 36, [1, 1, 1, 1]),
        ("resnet20", 33, [0] * 4),
        ("resnet20", 37, [0] * 4),
        ("resnet18", 33, [0] * 6),
        ("resnet18", 41, [0] * 6),
        ("resnet18", 37, [0, 0, 0, 0, 1, 1]),
    ],
)
def test_our_own(name, size, offsets):
    network = build_plain(ModelConfig(name, width=4), in_channels=3, classes=10).eval()
    assert unread(network, size) == offsets


@pytest.mark.parametrize("taps", [None, 2, 3, 4, 5])
@pytest.mark.parametrize("size", [32, 33])
def test_blurs_are_balanced_where_size_and_taps_agree(size, taps):
    config = ModelConfig("resnet20", width=4, downsample="blur", blur=taps)
    network = build_plain(config, in_channels=3, classes=10).eval()
    found = balance(trace(network, 3, (size, size)))
    first = found.strided[0]
    assert first.op == "blur"
    assert first.even == (taps is None or (size + taps) % 2 == 0)
    if taps is None:
        assert found.balanced


def test_timm_s_networks():
    timm = pytest.importorskip("timm")
    same = timm.create_model("tf_efficientnet_b0").eval()
    found = balance(trace(same, 3, (224, 224)))
    assert [site.offset for site in found.strided] == [(1, 1)] * 5
    assert [site.unread for site in found.strided] == [(0, 0)] * 5
    assert balance(trace(same, 3, (225, 225))).balanced
    apart = balance(trace(timm.create_model("resnet50d").eval(), 3, (224, 224))).misaligned
    assert [each.apart for each in apart] == [(2, 2), (4, 4), (8, 8)]


AXIS = st.tuples(
    st.integers(3, 20), st.integers(1, 5), st.integers(1, 4), st.integers(0, 3), st.integers(1, 2)
)


@settings(max_examples=150, deadline=None)
@given(AXIS, st.sampled_from(["convolution", "max", "average"]), st.booleans())
def test_even_sites_are_those_that_commute_with_flips(axis, op, ceil):
    """With a symmetric kernel, a layer commutes with a flip iff its offset is 0."""
    size, kernel, stride, padding, dilation = axis
    assume(dilation * (kernel - 1) + 1 <= size + 2 * padding)
    ceil = ceil and op != "convolution"
    if op == "convolution":
        layer = nn.Conv2d(1, 1, kernel, stride, padding, dilation, bias=False).double()
        kernels = layer.weight.data
        layer.weight.data = kernels + kernels.flip(-1)
    else:
        assume(padding <= kernel // 2)
        options = {"stride": stride, "padding": padding, "ceil_mode": ceil}
        if op == "max":
            layer = nn.MaxPool2d(kernel, dilation=dilation, **options)
            assume(dilation == 1 or padding <= kernel // 2)
        else:
            assume(dilation == 1)
            layer = nn.AvgPool2d(kernel, **options)
    generator = torch.Generator().manual_seed(0)
    x = torch.randn(1, 1, size, size, dtype=torch.float64, generator=generator)
    found = balance(trace(nn.Sequential(nn.Conv2d(1, 1, 1), layer).double(), 1, (size, size)))
    commutes = torch.allclose(layer(x.flip(-1)), layer(x).flip(-1), rtol=0, atol=1e-12)
    offsets = [site.offset[1] for site in found.sites]
    assert commutes == (not any(offsets))
    assert found.last_size == tuple(layer(x).shape[-2:])


@settings(max_examples=25, deadline=None)
@given(st.integers(20, 60))
def test_arithmetic_says_what_a_pass_would(size):
    network = nn.Sequential(
        nn.Conv2d(3, 4, 7, 2, 3), nn.MaxPool2d(3, 2, ceil_mode=True), nn.Conv2d(4, 4, 3, 2, 1)
    ).eval()
    traced = trace(network, 3, (40, 40))
    assert balance(traced, (size, size)).sites == balance(trace(network, 3, (size, size))).sites


def test_the_nearest_balanced_sizes_are_the_nearest():
    network = nn.Sequential(nn.Conv2d(3, 4, 7, 2, 3), nn.Conv2d(4, 4, 3, 2, 1)).eval()
    for height, width in itertools.product((20, 21), (33, 34)):
        traced = trace(network, 3, (height, width))
        found = balanced_sizes(traced, lambda pair: trace(network, 3, pair))
        for own, (below, above) in zip((height, width), found, strict=True):
            even = [n for n in range(1, 100) if balance(trace(network, 3, (n, n))).balanced]
            assert below == max(n for n in even if n < own)
            assert above == min(n for n in even if n > own)


@pytest.mark.slow
@pytest.mark.parametrize("name", models.list_models(module=models))
def test_every_classifier_of_torchvision_is_traced(name):
    options = {"init_weights": False} if name in ("googlenet", "inception_v3") else {}
    # Some have billions of bytes of weights; others compute with tensors to know their widths.
    computes = name.startswith(("regnet", "mobilenet_v3"))
    with torch.device("cpu" if computes else "meta"):
        network = models.get_model(name, weights=None, **options).eval()
    best = models.get_model_weights(name).DEFAULT.transforms().crop_size[0]
    crop = getattr(network, "image_size", best)
    traced = trace(network, 3, (crop, crop))
    assert traced.output == (1, 1000)
    attention = name.startswith(("vit", "swin", "maxvit"))
    assert bool(traced.unknown) == attention
    assert traced.head == ("none" if attention else traced.head)
    assert attention or traced.head in ("global", "positional")
    assert balance(traced).sites
