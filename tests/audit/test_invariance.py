"""Whether the structure of a network is invariant, and that the trace of it says the same."""

import pytest
import torch
from torch import nn
from torchvision import models

from symscape.audit.balance import balance
from symscape.audit.invariance import group_mean, invariance_defect, symmetrised
from symscape.audit.tracing.trace import trace
from symscape.config.network.model import ModelConfig
from symscape.models.build import build_plain
from symscape.symmetry.groups import ELEMENTS


def cifar(name, **options):
    torch.manual_seed(1)
    return build_plain(ModelConfig(name, width=4, **options), in_channels=3, classes=10).eval()


def stem(mode, size):
    """A 7x7 with stride 2, a 3x3, and a 3x3 with stride 2, twice."""
    torch.manual_seed(0)
    layers = []
    for channels, kernel, stride in ((3, 7, 2), (8, 3, 1), (8, 3, 2), (8, 3, 1), (8, 3, 2)):
        padding = kernel // 2
        conv = nn.Conv2d(channels, 8, kernel, stride, padding, padding_mode=mode, bias=True)
        layers += [conv, nn.ReLU()]
    return nn.Sequential(*layers, nn.AdaptiveAvgPool2d(1), nn.Flatten(), nn.Linear(8, 5)).eval()


@pytest.mark.parametrize("mode", ["zeros", "reflect", "replicate", "circular"])
@pytest.mark.parametrize(("size", "exact"), [(33, True), (41, True), (32, False), (40, False)])
def test_whatever_is_beyond_the_border(mode, size, exact):
    found = invariance_defect(stem(mode, size), 3, (size, size))
    assert found.exact == exact and found.group == "d4"
    assert found.worst < 1e-12 or not exact
    assert found.worst > 0.01 or exact


NETWORKS = {
    "resnet20": (lambda: cifar("resnet20"), (32, 33)),
    "resnet18": (lambda: cifar("resnet18"), (33, 37)),
    "resnet20 pad": (lambda: cifar("resnet20", shortcut="pad"), (32, 33)),
    "resnet20 layer": (lambda: cifar("resnet20", norm="layer"), (36, 37)),
    "resnet20 blur": (lambda: cifar("resnet20", downsample="blur"), (32, 33)),
    "resnet20 blur 3": (lambda: cifar("resnet20", downsample="blur", blur=3), (32, 33)),
    "resnet20 partial": (lambda: cifar("resnet20", padding="partial"), (32, 33)),
    "squeezenet": (lambda: models.squeezenet1_1(weights=None).eval(), (63, 64)),
    "mobilenet": (lambda: models.mobilenet_v2(weights=None).eval(), (64, 65)),
    "densenet": (lambda: models.densenet121(weights=None).eval(), (61, 64)),
    "shufflenet": (lambda: models.shufflenet_v2_x0_5(weights=None).eval(), (64, 65)),
}


@pytest.mark.parametrize("name", NETWORKS)
def test_the_trace_is_right_about_what_a_pass_shows(name):
    make, sizes = NETWORKS[name]
    torch.manual_seed(0)
    network = make()
    said = set()
    for size in sizes:
        traced = balance(trace(network, 3, (size, size)))
        found = invariance_defect(network, 3, (size, size))
        assert traced.balanced == found.exact, (size, traced.uneven, found)
        said.add(found.exact)
    assert len(said) == 2 or name == "resnet20 blur"


def test_at_uneven_sizes_the_transpose_alone_survives():
    every = tuple(name for name in ELEMENTS if name != "identity")
    found = invariance_defect(cifar("resnet20"), 3, (32, 32), elements=every).defects
    assert found["transpose"] < 1e-9
    assert min(v for name, v in found.items() if name != "transpose") > 0.05


def test_kernels_become_means_over_the_group():
    network = nn.Sequential(nn.Conv2d(2, 3, 3), nn.Conv2d(3, 3, 5, groups=3))
    assert symmetrised(network)
    for conv in network:
        for move in ELEMENTS.values():
            assert torch.equal(move(conv.weight), conv.weight)
    oblong = nn.Sequential(nn.Conv2d(2, 3, (3, 5)), nn.Conv2d(3, 3, 3))
    assert not symmetrised(oblong)
    assert torch.allclose(oblong[1].weight, oblong[1].weight.flip(-1))
    assert not torch.allclose(oblong[1].weight, oblong[1].weight.transpose(-1, -2))
    kernel = torch.randn(2, 3, 3, 3)
    assert torch.equal(group_mean(kernel, ("hflip",)), (kernel + kernel.flip(-1)) / 2)
    whole = torch.stack([move(kernel) for move in ELEMENTS.values()]).mean(0)
    assert torch.allclose(group_mean(kernel, ("hflip", "vflip", "transpose")), whole)


def test_oblong_kernels_and_images_are_flipped_alone():
    network = nn.Sequential(
        nn.Conv2d(3, 4, (3, 5), padding=(1, 2)), nn.ReLU(), nn.AdaptiveAvgPool2d(1), nn.Flatten()
    ).eval()
    found = invariance_defect(network, 3, (16, 16))
    assert found.group == "hvflip" and found.exact and set(found.defects) == {"hflip", "vflip"}
    assert invariance_defect(cifar("resnet20"), 3, (33, 37)).group == "hvflip"


def test_the_network_is_left_as_it_is():
    network = cifar("resnet20")
    before = {name: tensor.clone() for name, tensor in network.state_dict().items()}
    invariance_defect(network, 3, (33, 33))
    after = network.state_dict()
    assert all(torch.equal(after[name], tensor) for name, tensor in before.items())
    assert all(p.dtype == torch.float32 for p in network.parameters()) and not network.training
