"""From configs to networks."""

from __future__ import annotations

from typing import Any

from torch import nn

from symscape.config.groups import ModelConfig, SymmetryConfig
from symscape.layers.factory import ConvFactory, initialise
from symscape.layers.sampling.thinning import Thinning
from symscape.models.resnet import resnet
from symscape.models.unet import unet
from symscape.symmetry.groups import Symmetry


def build_network(
    model: ModelConfig,
    symmetry: SymmetryConfig,
    *,
    in_channels: int,
    classes: int,
    seed: int,
) -> nn.Module:
    """Return the network that the configs describe, initialised from `seed` alone."""
    conv = ConvFactory(
        Symmetry(symmetry.name, symmetry.like, symmetry.seed),
        symmetry.parametrization,
        tuple(symmetry.layers),
        model.padding,
    )
    network = _network(model, conv, in_channels, classes)
    initialise(network, seed, symmetry.init)
    return network


def build_plain(model: ModelConfig, *, in_channels: int, classes: int) -> nn.Module:
    """Return the uninitialised plain network that effective weights of this model fit into."""
    return _network(model, ConvFactory(padding=model.padding), in_channels, classes)


def _network(model: ModelConfig, conv: ConvFactory, in_channels: int, classes: int) -> nn.Module:
    assert model.width is not None  # filled in by ModelConfig
    size = model.kernel_size
    options: dict[str, Any] = {
        "conv": conv,
        "in_channels": in_channels,
        "classes": classes,
        "width": model.width,
        "kernel_size": size if isinstance(size, int) else (size[0], size[1]),
        "norm": model.norm,
        "thinning": Thinning(model.downsample, model.blur, model.padding),
    }
    if model.name == "unet":
        return unet(**options)
    return resnet(model.name, shortcut=model.shortcut, **options)


def free_parameters(network: nn.Module) -> int:
    """Return the number of trainable scalars: with tied kernels, orbits rather than taps."""
    return sum(p.numel() for p in network.parameters() if p.requires_grad)
