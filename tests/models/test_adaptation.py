"""Networks and weights fitted to other images and classes."""

import copy

import pytest
import torch
from torch import nn
from torchvision.models import resnet18
from torchvision.models._api import WeightsEnum

from symscape.errors import SymscapeError
from symscape.models.adaptation import fill_trunk, sum_channels
from symscape.models.zoo import load_network


def small(classes: int, channels: int = 3, width: int = 6) -> nn.Module:
    return nn.Sequential(
        nn.Conv2d(channels, width, 3),
        nn.AdaptiveAvgPool2d(1),
        nn.Flatten(),
        nn.Linear(width, classes),
    )


def test_on_grey_images_it_computes_what_it_did_in_all_colours():
    network = small(4)
    grey = copy.deepcopy(network)
    sum_channels(grey)
    x = torch.randn(3, 1, 7, 7)
    torch.testing.assert_close(grey(x), network(x.expand(-1, 3, -1, -1)))
    filled = small(4, channels=1)
    assert fill_trunk(filled, network.state_dict(), "file", 4) == []
    torch.testing.assert_close(filled(x), grey(x))


def test_for_other_classes_the_last_layer_stays_as_it_is():
    network, given = small(4), small(9)
    before = network[3].weight.clone()
    assert fill_trunk(network, given.state_dict(), "file", 4) == ["3.bias", "3.weight"]
    assert torch.equal(network[0].weight, given[0].weight)
    assert torch.equal(network[3].weight, before)


def test_a_network_of_another_width_has_no_trunk_to_take():
    """Also where it has as many filters as there are classes."""
    network, given = small(4, width=4), small(4, width=6)
    with pytest.raises(SymscapeError, match="file: of another architecture: "):
        fill_trunk(network, given.state_dict(), "file", 4)


def test_pretrained_weights_of_a_library_for_other_classes_and_grey_images(monkeypatch):
    """What it would download is here a random draw."""
    torch.manual_seed(1)
    given = resnet18().state_dict()
    monkeypatch.setattr(WeightsEnum, "get_state_dict", lambda *_, **__: given)
    options = {"pretrained": True, "seed": 3}
    found = load_network("torchvision/resnet18", classes=10, channels=1, **options).network
    kernel = given["conv1.weight"].sum(1, keepdim=True)
    assert found.fc.out_features == 10 and torch.equal(found.conv1.weight, kernel)
    assert torch.equal(found.layer4[1].conv2.weight, given["layer4.1.conv2.weight"])
    whole = load_network("torchvision/resnet18", **options).network.state_dict()
    assert all(torch.equal(whole[name], tensor) for name, tensor in given.items())


def test_timm_has_options_for_both():
    pytest.importorskip("timm")
    found = load_network("timm/mobilenetv3_small_050", classes=7, channels=1)
    assert found.channels == 1 and found.network(torch.zeros(1, 1, 32, 32)).shape == (1, 7)
