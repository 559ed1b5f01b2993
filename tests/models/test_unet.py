"""The U-Net: a class for each pixel, exact under flips and turns where its padding is balanced."""

import pytest
import torch
from torch import nn

from symscape.audit.balance import balance
from symscape.audit.tracing.trace import trace
from symscape.config.data import DataConfig
from symscape.config.groups import SymmetryConfig
from symscape.config.network.model import ModelConfig
from symscape.config.train import TrainConfig
from symscape.errors import ConfigError
from symscape.layers.effective import effective_network
from symscape.models.build import build_network, build_plain
from symscape.symmetry.consistency import output_change


def network(**options):
    made = build_network(
        ModelConfig("unet", **options), SymmetryConfig("d4"), in_channels=1, classes=5, seed=0
    )
    for module in made.modules():
        if isinstance(module, nn.BatchNorm2d):
            module.running_var.fill_(0.5)
    return made.eval()


@pytest.mark.parametrize("size", [(64, 64), (65, 65), (64, 65), (36, 50), (33, 32)])
def test_every_pixel_has_logits(size):
    plain = build_plain(ModelConfig("unet", width=4), in_channels=3, classes=7).eval()
    assert plain(torch.zeros(2, 3, *size)).shape == (2, 7, *size)


@pytest.mark.parametrize(
    ("size", "options", "exact"),
    [
        (65, {}, True),
        (64, {}, False),
        (64, {"downsample": "blur"}, True),
        (65, {"downsample": "blur"}, True),
        (36, {"downsample": "blur"}, True),
        (65, {"padding": "partial"}, True),
    ],
)
def test_where_it_is_exact_and_the_trace_says_so(size, options, exact):
    made = effective_network(network(**options)).double()
    x = torch.randn(2, 1, size, size, dtype=torch.float64)
    worst = max(output_change(made, [x]).values())
    assert (worst < 1e-12) if exact else (worst > 0.01)
    traced = trace(made, 1, (size, size))
    found = balance(traced)
    assert found.balanced == exact and found.head == "dense" and not found.unknown
    assert traced.output == (1, 5, size, size)


def test_pixels_and_networks_that_answer_so_need_each_other():
    for data, model in (("shapes", "resnet20"), ("digits", "unet")):
        with pytest.raises(ConfigError, match="need each other"):
            TrainConfig(data=DataConfig(data), model=ModelConfig(model))
