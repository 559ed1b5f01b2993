"""Symmetric kernels in networks that are not ours: what is replaced, what stays, to what end."""

import copy

import pytest
import torch
from torch import nn
from torch.nn.utils import parametrizations
from torchvision import models

from symscape.config.groups import PARAMETRIZATIONS
from symscape.errors import ConfigError
from symscape.layers.conv import SymmetricConv2d
from symscape.layers.conversion import left_alone, symmetric_network
from symscape.layers.effective import effective_network
from symscape.layers.plan import apply_plan, make_plan
from symscape.symmetry.basis import projector
from symscape.symmetry.groups import ELEMENTS, GROUP_ELEMENTS, Symmetry

ROT90, HFLIP, VANILLA = Symmetry("rot90"), Symmetry("hflip"), Symmetry("vanilla")
GEOMETRIES = {
    "grouped": {"groups": 2},
    "depthwise": {"groups": 4, "padding": 1},
    "dilated": {"dilation": 2, "padding": 2},
    "strides": {"stride": (2, 1), "padding": (0, 1)},
    "far": {"padding": 4},
    "reflect": {"padding": (1, 2), "padding_mode": "reflect"},
    "circular": {"padding": 2, "padding_mode": "circular", "dilation": (1, 2), "stride": 2},
    "same": {"padding": "same"},
    "same even": {"kernel_size": 4, "padding": "same", "bias": False},
    "same replicate": {"kernel_size": 2, "padding": "same", "padding_mode": "replicate"},
    "valid": {"padding": "valid", "stride": 2},
}


def conv(**options) -> nn.Conv2d:
    torch.manual_seed(0)
    made = nn.Conv2d(4, 8, **{"kernel_size": 3, **options})
    return made.double()


def images(*shape: int) -> torch.Tensor:
    return torch.randn(shape, generator=torch.Generator().manual_seed(1)).double()


class Small(nn.Module):
    """What is found in networks of others, side by side."""

    def __init__(self) -> None:
        super().__init__()
        self.stem = nn.Conv2d(3, 8, 3, stride=2, padding=1)
        self.body = nn.Sequential(
            nn.Conv2d(8, 8, 3, padding=1, groups=8),
            nn.BatchNorm2d(8),
            nn.ReLU(inplace=True),
            nn.Conv2d(8, 8, 1),
            nn.Conv2d(8, 8, (1, 3), padding=(0, 1)),
        )
        self.short = nn.Conv2d(8, 4, 1, stride=2)
        self.last = nn.Conv2d(4, 4, 3, padding="same")

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        x = self.body(self.stem(x))
        return self.last(self.short(x)).mean((2, 3))


@pytest.mark.parametrize("parametrization", PARAMETRIZATIONS)
@pytest.mark.parametrize("name", GEOMETRIES)
def test_the_same_geometry_with_the_projected_kernel(name, parametrization):
    plain = conv(**GEOMETRIES[name])
    layer = symmetric_network(plain, ROT90, parametrization)
    assert isinstance(layer, SymmetricConv2d)
    expected = copy.deepcopy(plain)
    if parametrization != "penalty":
        p = projector(layer.orbits)
        expected.weight.data = (plain.weight.data.flatten(2) @ p).view_as(plain.weight)
    x = images(2, 4, 9, 8)
    torch.testing.assert_close(layer(x), expected(x), rtol=1e-12, atol=1e-12)
    twin = effective_network(layer)
    torch.testing.assert_close(twin(x), expected(x), rtol=1e-12, atol=1e-12)
    assert twin.state_dict().keys() == plain.state_dict().keys()
    shown = ("stride", "padding", "dilation", "groups", "kernel_size", "padding_mode")
    assert all(getattr(twin, key) == getattr(plain, key) for key in shown)


@pytest.mark.parametrize("name", [n for n in GEOMETRIES if n not in ("dilated", "strides")])
def test_what_has_a_fold_folds_to_the_same(name):
    layer = symmetric_network(conv(**GEOMETRIES[name]), ROT90)
    if not layer.can_fold:
        assert layer.dilation != (1, 1)
        return
    x = images(2, 4, 9, 8).requires_grad_()
    found = {}
    for compute in ("direct", "fold"):
        apply_plan(layer, {"": compute})
        y = layer(x)
        found[compute] = (y, *torch.autograd.grad(y.square().sum(), (x, layer.coordinates)))
    for direct, folded in zip(*found.values(), strict=True):
        torch.testing.assert_close(folded, direct, rtol=1e-10, atol=1e-10)


@pytest.mark.parametrize("options", [GEOMETRIES["dilated"], GEOMETRIES["strides"]])
def test_what_has_no_fold_stays_direct(options):
    layer = symmetric_network(conv(**options), ROT90).float()
    (plan,) = make_plan(layer, (2, 4, 9, 9), "fold", "float32", "cpu")
    assert plan.compute == "direct"


def test_vanilla_is_the_network_itself():
    network = Small().eval()
    twin = symmetric_network(network, VANILLA)
    assert [type(m) for m in twin.modules()] == [type(m) for m in network.modules()]
    assert all(
        torch.equal(a, b) for a, b in zip(twin.parameters(), network.parameters(), strict=True)
    )
    x = images(2, 3, 8, 8).float()
    assert torch.equal(twin(x), network(x))


def test_projecting_twice_changes_nothing():
    once = effective_network(symmetric_network(Small().double(), ROT90))
    twice = effective_network(symmetric_network(once, ROT90))
    for a, b in zip(once.parameters(), twice.parameters(), strict=True):
        torch.testing.assert_close(a, b, rtol=0, atol=1e-15)


def test_a_depthwise_kernel_has_three_free_scalars_a_channel():
    layer = symmetric_network(nn.Conv2d(16, 16, 3, groups=16, bias=False), ROT90)
    assert sum(p.numel() for p in layer.parameters()) == 3 * 16


def test_matched_keeps_the_energy_of_a_random_kernel():
    plain = nn.Conv2d(64, 64, 3)
    layer = symmetric_network(plain, HFLIP, init="matched")
    assert layer.weight.norm().item() == pytest.approx(plain.weight.norm().item(), rel=0.02)


def test_what_stays_is_listed_with_its_reason():
    why = left_alone(Small(), ROT90)
    assert [name for name, reason in why.items() if not reason] == ["stem", "body.0", "last"]
    assert why["body.3"] == why["short"] == "1x1: rot90 ties no taps"
    assert why["body.4"] == "1x3: rot90 needs a square kernel"
    assert not left_alone(Small(), HFLIP)["body.4"]


def test_layers_that_compute_otherwise_stay():
    class Standardised(nn.Conv2d):
        def forward(self, x):
            return self._conv_forward(x, self.weight - self.weight.mean(), self.bias)

    class Named(nn.Conv2d):
        pass

    tied = [nn.Conv2d(4, 4, 3), nn.Conv2d(4, 4, 3)]
    tied[1].weight = tied[0].weight
    network = nn.Sequential(
        Standardised(4, 4, 3),
        nn.ConvTranspose2d(4, 4, 3),
        parametrizations.weight_norm(nn.Conv2d(4, 4, 3)),
        *tied,
        Named(4, 4, 3),
    )
    reasons = list(left_alone(network, ROT90).values())
    wanted = ("Standardised", "ConvTranspose2d", "something else", "shares", "shares")
    assert all(word in reason for word, reason in zip(wanted, reasons, strict=False))
    assert reasons[5] == ""
    made = symmetric_network(network, ROT90)
    assert [isinstance(m, SymmetricConv2d) for m in made] == [False] * 5 + [True]


def test_a_layer_used_twice_is_replaced_once():
    shared = nn.Conv2d(3, 3, 3)
    network = symmetric_network(nn.Sequential(shared, nn.ReLU(), shared), ROT90)
    assert network[0] is network[2] and isinstance(network[0], SymmetricConv2d)


def test_layers_are_chosen_by_role_or_by_pattern():
    def obeying(*layers: str) -> list[str]:
        return [name for name, why in left_alone(Small(), ROT90, layers).items() if not why]

    assert obeying("stem") == ["stem"]
    assert obeying("blocks") == ["body.0", "last"]
    assert obeying("body.*", "stem") == ["stem", "body.0"]
    with pytest.raises(ConfigError, match=r"symmetry.layers=boby\.0: did you mean 'body.0'"):
        obeying("boby.0")


def test_what_is_frozen_stays_frozen_and_the_mode_stays():
    network = Small().eval()
    network.stem.requires_grad_(False)
    made = symmetric_network(network, ROT90)
    assert not any(p.requires_grad for p in made.stem.parameters())
    assert not any(m.training for m in made.modules())


FAMILIES = (
    "alexnet",
    "convnext_tiny",
    "densenet121",
    "efficientnet_b0",
    "googlenet",
    "inception_v3",
    "mnasnet0_5",
    "mobilenet_v2",
    "mobilenet_v3_small",
    "regnet_y_400mf",
    "resnet18",
    "resnext50_32x4d",
    "shufflenet_v2_x0_5",
    "squeezenet1_1",
    "swin_t",
)


@pytest.mark.slow
@pytest.mark.parametrize("name", FAMILIES)
def test_torchvision_networks_obey_and_give_their_own_names_back(name):
    """What the constrained network computes, torchvision's own does with the weights it gives."""
    options = {"init_weights": False} if name in ("googlenet", "inception_v3") else {}
    torch.manual_seed(0)
    network = models.get_model(name, num_classes=5, **options).eval()
    symmetry = "rot90" if name != "inception_v3" else "hvflip"
    constrained = symmetric_network(network, Symmetry(symmetry))
    layers = {n: m for n, m in constrained.named_modules() if isinstance(m, SymmetricConv2d)}
    assert layers
    for layer in layers.values():
        for element in GROUP_ELEMENTS[symmetry]:
            assert torch.equal(ELEMENTS[element](layer.weight), layer.weight)
    network.load_state_dict(effective_network(constrained).state_dict())
    x = images(1, 3, 80, 80).float()
    with torch.no_grad():
        ours, theirs = constrained(x), network(x)
    scale = theirs.abs().max()
    torch.testing.assert_close(ours / scale, theirs / scale, rtol=0, atol=1e-5)
