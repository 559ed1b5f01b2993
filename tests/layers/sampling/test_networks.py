"""Networks that pad and subsample otherwise, under what rewrites networks."""

import copy

import pytest
import torch
from torch import nn
from torch.nn import functional

from symscape.config.network.model import ModelConfig
from symscape.curvature.rewriting import twice_differentiable
from symscape.layers.evaluation import for_evaluation
from symscape.models.build import build_plain

OPTIONS = [
    {"padding": "partial"},
    {"padding": "reflect"},
    {"downsample": "blur"},
    {"downsample": "sbpool"},
    {"downsample": "sbpool", "shortcut": "pad", "padding": "circular"},
    {"downsample": "blur", "padding": "partial", "norm": "layer"},
]


def network(options, name="resnet20"):
    torch.manual_seed(0)
    made = build_plain(ModelConfig(name, width=4, **options), in_channels=3, classes=5)
    for module in made.modules():
        if isinstance(module, nn.BatchNorm2d):
            module.running_var.uniform_(0.5, 2)
            module.running_mean.normal_()
    return made.double().eval()


@pytest.mark.parametrize("options", OPTIONS, ids=str)
def test_evaluation_computes_the_same(options):
    made = network(options)
    x = torch.randn(2, 3, 14, 15, dtype=torch.float64)
    with torch.inference_mode():
        assert torch.allclose(for_evaluation(made, "float64")(x), made(x), rtol=0, atol=1e-10)


@pytest.mark.parametrize("options", OPTIONS, ids=str)
def test_second_derivatives_are_the_same(options):
    made = network(options)
    rewritten = twice_differentiable(copy.deepcopy(made))
    x = torch.randn(2, 3, 10, 10, dtype=torch.float64)
    y = torch.tensor([0, 3])

    def product(net):
        parameters = [p for p in net.parameters() if p.ndim == 4]
        loss = functional.cross_entropy(net(x), y)
        gradients = torch.autograd.grad(loss, parameters, create_graph=True)
        along = sum(g.sum() for g in gradients)
        return torch.autograd.grad(along, parameters)

    for a, b in zip(product(made), product(rewritten), strict=True):
        assert torch.allclose(a, b, rtol=1e-8, atol=1e-10)


def test_a_unet_too():
    made = network({"downsample": "blur"}, "unet")
    x = torch.randn(2, 3, 33, 32, dtype=torch.float64)
    with torch.inference_mode():
        assert torch.allclose(for_evaluation(made, "float64")(x), made(x), rtol=0, atol=1e-10)
