"""Networks by name: what their libraries say of them, what cannot be had, and weights of files."""

import builtins

import pytest
import torch
from safetensors.torch import save_file
from torch import nn
from torchvision import models

from symscape.errors import SymscapeError
from symscape.models.weights import fill_network, read_foreign
from symscape.models.zoo import load_network


def test_torchvision_says_how_large_images_are():
    found = load_network("torchvision/resnet18")
    assert found.input_size == (224, 224) and found.channels == 3
    assert found.mean == (0.485, 0.456, 0.406) and found.std == (0.229, 0.224, 0.225)
    assert not found.network.training and found.library.startswith("torchvision ")
    assert found.weights == "random weights (seed 0)"


def test_a_seed_is_the_weights_and_leaves_the_process_alone():
    torch.manual_seed(7)
    expected = torch.rand(1)
    torch.manual_seed(7)
    weights = [
        load_network("torchvision/squeezenet1_1", seed=seed).network.state_dict()
        for seed in (0, 0, 1)
    ]
    assert torch.equal(torch.rand(1), expected)
    name = "features.0.weight"
    assert torch.equal(weights[0][name], weights[1][name])
    assert not torch.equal(weights[0][name], weights[2][name])


def test_segmentation_networks_and_transformers_of_one_size():
    dense = load_network("torchvision/lraspp_mobilenet_v3_large")
    assert dense.channels == 3
    assert load_network("torchvision/vit_b_16").input_size == (224, 224)


def test_timm_says_it_too():
    pytest.importorskip("timm")
    found = load_network("timm/tf_efficientnet_b0")
    assert found.input_size == (224, 224) and found.library.startswith("timm ")
    with pytest.raises(SymscapeError, match="timm/resnet49: did you mean 'timm/resnet"):
        load_network("timm/resnet49")


def test_without_timm_the_extra_is_named(monkeypatch):
    real = builtins.__import__

    def missing(name, *rest, **words):
        if name == "timm":
            raise ImportError(name)
        return real(name, *rest, **words)

    monkeypatch.setattr(builtins, "__import__", missing)
    with pytest.raises(SymscapeError, match=r"needs timm: pip install -e '\.\[zoo\]'"):
        load_network("timm/resnet18")


def test_arguments_reach_the_function():
    found = load_network("torchvision/resnet18", arguments={"num_classes": 7})
    assert found.network.fc.out_features == 7
    own = load_network("torchvision.models:resnet18", arguments={"num_classes": 3})
    assert own.network.fc.out_features == 3 and own.input_size is None


@pytest.fixture
def network():
    return nn.Sequential(nn.Conv2d(3, 2, 3), nn.BatchNorm2d(2))


@pytest.mark.parametrize("prefix", ["", "module.", "_orig_mod.", "module._orig_mod."])
@pytest.mark.parametrize("nest", [None, "state_dict", "model"])
def test_files_of_other_programs(tmp_path, network, prefix, nest):
    state = {prefix + name: tensor for name, tensor in network.state_dict().items()}
    path = tmp_path / "weights.pth"
    torch.save(state if nest is None else {nest: state, "epoch": 3}, path)
    found = read_foreign(path)
    assert found.keys() == network.state_dict().keys()
    twin = nn.Sequential(nn.Conv2d(3, 2, 3), nn.BatchNorm2d(2))
    fill_network(twin, found, path)
    assert torch.equal(twin[0].weight, network[0].weight)


def test_safetensors(tmp_path, network):
    path = tmp_path / "weights.safetensors"
    save_file(network.state_dict(), path)
    assert read_foreign(path).keys() == network.state_dict().keys()


class Code:
    def __reduce__(self):
        return print, ("executed",)


def test_nothing_is_executed(tmp_path, capsys):
    path = tmp_path / "evil.pth"
    torch.save({"state_dict": Code()}, path)
    capsys.readouterr()
    with pytest.raises(SymscapeError, match="more than tensors"):
        read_foreign(path)
    assert "executed" not in capsys.readouterr().out


@pytest.mark.parametrize(
    ("content", "why"),
    [([1, 2], "list, no state dict"), ({}, "no state dict"), ({"a": 3}, "a is int, no tensor")],
)
def test_files_without_a_state_dict(tmp_path, content, why):
    path = tmp_path / "weights.pt"
    torch.save(content, path)
    with pytest.raises(SymscapeError, match=why):
        read_foreign(path)


def test_every_classifier_has_a_size():
    assert all(
        models.get_model_weights(n).DEFAULT.transforms().crop_size
        for n in models.list_models(module=models)
    )
