"""The CIFAR ResNets: sizes, variants, symmetry for free."""

import pytest
import torch
from torch import nn

from symscape.config.groups import PARAMETRIZATIONS, SYMMETRIES, SymmetryConfig
from symscape.config.network.model import FOREIGN, MODELS, ModelConfig
from symscape.layers.conv import SymmetricConv2d
from symscape.layers.effective import effective_network
from symscape.models.build import build_network, build_plain, free_parameters
from symscape.models.ckg import NETWORKS
from symscape.models.resnet import STAGES

# He et al. 2016, table 6 (ResNet-20 ... 110, option A), counted without BatchNorm statistics.
MILLIONS = {
    "resnet20": 0.27,
    "resnet32": 0.46,
    "resnet44": 0.66,
    "resnet56": 0.85,
    "resnet110": 1.7,
}


def build(name="resnet20", symmetry="vanilla", *, channels=3, classes=10, seed=0, **options):
    extra = options.pop("symmetry_options", {})
    return build_network(
        ModelConfig(name=name, **options),
        SymmetryConfig(name=symmetry, **extra),
        in_channels=channels,
        classes=classes,
        seed=seed,
    )


def images(channels=3, height=32, width=32) -> torch.Tensor:
    return torch.randn(2, channels, height, width, generator=torch.Generator().manual_seed(0))


@pytest.mark.parametrize(
    ("symmetry", "count"),
    [("vanilla", 11_173_962), ("hflip", 7_511_562), ("hvflip", 5_069_962), ("rot90", 3_849_162)],
)
def test_parameters_of_resnet18(symmetry, count):
    network = build("resnet18", symmetry)
    assert free_parameters(network) == count
    if symmetry == "vanilla":
        kernels = (m.weight for m in network.modules() if isinstance(m, nn.Conv2d))
        assert sum(k.numel() for k in kernels if k.shape[-1] == 3) == 10_987_200


@pytest.mark.parametrize("name", MILLIONS)
def test_parameters_of_the_original_networks(name):
    assert free_parameters(build(name, shortcut="pad")) / 1e6 == pytest.approx(
        MILLIONS[name], abs=0.05
    )
    assert sum(STAGES[name]) * 2 + 2 == int(name.removeprefix("resnet"))


def test_the_config_names_every_network():
    assert set(MODELS) == {*STAGES, "unet", *NETWORKS, FOREIGN}


@pytest.mark.parametrize("parametrization", PARAMETRIZATIONS)
@pytest.mark.parametrize("symmetry", SYMMETRIES)
def test_the_effective_network_computes_the_same_with_the_same_keys(symmetry, parametrization):
    network = build(symmetry=symmetry, symmetry_options={"parametrization": parametrization}).eval()
    twin = effective_network(network)
    plain = build_plain(ModelConfig(name="resnet20"), in_channels=3, classes=10)
    assert not any(isinstance(m, SymmetricConv2d) for m in twin.modules())
    assert list(twin.state_dict()) == list(plain.state_dict())
    with torch.no_grad():
        logits = network(images())
        torch.testing.assert_close(twin(images()), logits, rtol=0, atol=1e-6)


@pytest.mark.parametrize("kernel_size", [3, 5, 7, [3, 5]])
@pytest.mark.parametrize("norm", ["batch", "layer"])
@pytest.mark.parametrize("shortcut", ["conv", "pad"])
def test_variants_run_on_any_channels_classes_and_sizes(kernel_size, norm, shortcut):
    network = build(
        "resnet20",
        "hvflip",
        channels=1,
        classes=7,
        width=4,
        kernel_size=kernel_size,
        norm=norm,
        shortcut=shortcut,
    )
    logits = network(images(1, 28, 20))
    assert logits.shape == (2, 7)
    logits.sum().backward()
    assert all(p.grad is not None for p in network.parameters())


@pytest.mark.parametrize("symmetry", ["hflip", "rot90"])
def test_a_network_without_strides_in_the_way_is_invariant(symmetry):
    """Odd maps keep their centre under stride 2, so pooling makes the whole network invariant."""
    network = build(symmetry=symmetry).double().eval()
    x = images(3, 33, 33).double()
    moved = x.flip(-1) if symmetry == "hflip" else x.rot90(1, (-2, -1))
    with torch.no_grad():
        torch.testing.assert_close(network(moved), network(x))
    with torch.no_grad():
        assert (network(x.transpose(-1, -2).flip(-2)) - network(x)).abs().max() > 1e-4 or (
            symmetry == "rot90"
        )


def test_layers_say_which_convolutions_obey():
    network = build(symmetry="rot90", symmetry_options={"layers": ["stem"]})
    symmetric = [n for n, m in network.named_modules() if isinstance(m, SymmetricConv2d)]
    assert symmetric == ["conv"]


def test_width_multiplies_all_stages():
    network = build("resnet18", width=16)
    widths = [m.out_channels for m in network.modules() if isinstance(m, nn.Conv2d)]
    assert sorted(set(widths)) == [16, 32, 64, 128]
    assert network.head.in_features == 128


def test_networks_are_channels_last_and_depend_on_the_seed_alone():
    torch.manual_seed(1)
    a = build("resnet20", seed=0)
    torch.manual_seed(2)
    b = build("resnet20", seed=0)
    for name, tensor in a.state_dict().items():
        assert torch.equal(tensor, b.state_dict()[name])
        if tensor.ndim == 4:
            assert tensor.is_contiguous(memory_format=torch.channels_last)
    assert not torch.equal(a.conv.weight, build("resnet20", seed=1).conv.weight)
