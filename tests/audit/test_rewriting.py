"""Mitigations put into a given network: what they compute, what they balance, what they leave."""

import pytest
import torch
from torch import nn
from torch.nn import functional
from torchvision import models

from symscape.audit.balance import balance
from symscape.audit.invariance import invariance_defect
from symscape.audit.rewriting import REWRITES, rewritten
from symscape.audit.tracing.trace import trace
from symscape.config.network.model import ModelConfig
from symscape.layers.sampling.grid_mean import GridMean
from symscape.models.build import build_plain


def small(**options):
    network = build_plain(
        ModelConfig("resnet20", width=4, **options), in_channels=3, classes=10
    ).eval()
    for parameter in network.parameters():
        if parameter.ndim > 1:
            nn.init.normal_(parameter, std=0.2)
    return network


@pytest.mark.parametrize("mode", ["reflect", "replicate", "circular", "partial"])
def test_padding_is_that_of_a_network_built_with_it(mode):
    network = small()
    built = small(padding=mode)
    built.load_state_dict(network.state_dict())
    found = rewritten(network, mode)
    x = torch.randn(2, 3, 16, 16)
    assert found.changed == 19 and not found.left
    assert torch.equal(found.network(x), built(x))
    assert not torch.allclose(network(x), found.network(x))


def test_a_blur_is_that_of_a_network_built_with_it():
    network = small()
    built = small(downsample="blur")
    built.load_state_dict(network.state_dict())
    found = rewritten(network, "blur")
    x = torch.randn(2, 3, 16, 18)
    assert found.changed == 4 and not found.left
    assert torch.allclose(found.network(x), built(x), atol=1e-6)
    assert found.network.state_dict().keys() == network.state_dict().keys()


@pytest.mark.parametrize("size", [(9, 9), (8, 8), (8, 9)])
@pytest.mark.parametrize(
    "layer", [nn.Conv2d(2, 3, 3, 2, 1), nn.MaxPool2d(3, 2, 1), nn.MaxPool2d(2)], ids=repr
)
def test_the_mean_over_grids(layer, size):
    layer = layer.double()
    x = torch.randn(1, 2, *size, dtype=torch.float64)
    mean = GridMean(layer)
    assert mean(x).shape == layer(x).shape
    if isinstance(layer, nn.Conv2d):
        dense = functional.conv2d(x, layer.weight, layer.bias, padding=1)
        window = [2 if n % 2 == 0 else 1 for n in size]
        pooled = functional.avg_pool2d(dense, window, stride=2)
        assert torch.allclose(mean(x), pooled, rtol=0, atol=1e-12)
        with torch.no_grad():
            layer.weight.copy_(layer.weight + layer.weight.flip(-1))
    assert torch.allclose(mean(x.flip(-1)), mean(x).flip(-1), rtol=0, atol=1e-12)


@pytest.mark.parametrize("mitigation", ["blur", "sbpool"])
def test_balanced_and_exact_afterwards(mitigation):
    network = small()
    found = rewritten(network, mitigation)
    assert not balance(trace(network, 3, (32, 32))).balanced
    after = balance(trace(found.network, 3, (32, 32)))
    assert after.balanced and not after.unknown and after.last_size == (8, 8)
    assert not invariance_defect(network, 3, (32, 32)).exact
    assert invariance_defect(found.network, 3, (32, 32)).exact


def test_torchvision_s_resnet18_is_exact_when_blurred():
    torch.manual_seed(0)
    found = rewritten(models.resnet18(weights=None).eval(), "blur")
    assert found.changed == 8 and not found.left
    for size in (64, 224):
        assert balance(trace(found.network, 3, (size, size))).balanced
    assert invariance_defect(found.network, 3, (64, 64)).exact


@pytest.mark.slow
@pytest.mark.parametrize("name", ["resnet18", "densenet121", "mobilenet_v2", "mnasnet1_0"])
def test_other_networks_of_torchvision_when_blurred(name):
    torch.manual_seed(0)
    found = rewritten(models.get_model(name, weights=None).eval(), "blur")
    assert balance(trace(found.network, 3, (224, 224))).balanced
    assert invariance_defect(found.network, 3, (224, 224)).exact


def test_what_is_left_is_named():
    alexnet = models.alexnet(weights=None).eval()
    found = rewritten(alexnet, "blur")
    assert found.left == ["features.0: stride 4x4"] and found.changed == 3
    googlenet = models.googlenet(weights=None, init_weights=False).eval()
    assert "maxpool1: ceil_mode" in rewritten(googlenet, "sbpool").left
    same = nn.Sequential(nn.Conv2d(3, 3, 3, padding="same"), nn.Conv2d(3, 3, 3, padding=1)).eval()
    assert rewritten(same, "reflect").left == ["0: padding=same"]


class Looks(nn.Module):
    def __init__(self):
        super().__init__()
        self.conv = nn.Conv2d(3, 4, 3, 2, 1)

    def forward(self, x):
        return self.conv(x) if x.sum() > 0 else self.conv(-x)


def test_a_network_that_cannot_be_traced_is_left():
    found = rewritten(Looks().eval(), "blur")
    assert found.changed == 0 and found.left[0].startswith("all: torch.fx cannot trace")


@pytest.mark.parametrize("mitigation", REWRITES)
def test_the_network_itself_stays(mitigation):
    network = small()
    x = torch.randn(1, 3, 16, 16)
    before, keys = network(x), list(network.state_dict())
    rewritten(network, mitigation)
    assert torch.equal(network(x), before) and list(network.state_dict()) == keys
