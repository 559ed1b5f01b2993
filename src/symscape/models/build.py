"""From configs to networks."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from torch import Tensor, nn

from symscape.config.groups import SymmetryConfig
from symscape.config.network.lie import GroupConfig, KernelConfig
from symscape.config.network.model import AUTO, FOREIGN, MODELS, ModelConfig
from symscape.config.train import TrainConfig
from symscape.errors import ConfigError
from symscape.layers.effective import effective_network
from symscape.layers.factory import ConvFactory, initialise
from symscape.layers.lie.conv import GroupConv2d
from symscape.layers.lie.kernel import KernelSpec
from symscape.layers.lie.sampling import step_of
from symscape.layers.lie.storage import restored
from symscape.layers.sampling.thinning import Thinning
from symscape.models.ckg import NETWORKS, ckg_network, last_size
from symscape.models.foreign import foreign_network, make_foreign, symmetry_of
from symscape.models.resnet import resnet
from symscape.models.unet import unet
from symscape.symmetry.groups import KernelSize
from symscape.symmetry.plane import PlaneGrid


def build_network(
    model: ModelConfig,
    symmetry: SymmetryConfig,
    *,
    in_channels: int,
    classes: int,
    seed: int,
    image: KernelSize = (32, 32),
    group: GroupConfig | None = None,
    kernel: KernelConfig | None = None,
) -> nn.Module:
    """Return the network that the configs describe, initialised from `seed` alone.

    Args:
        model: which network.
        symmetry: of its kernels.
        in_channels: of the images.
        classes: logits.
        seed: of the weights.
        image: height and width of the images, which networks on groups are made for.
        group: of networks on groups.
        kernel: of theirs.
    """
    if model.name == FOREIGN:
        shape = {"in_channels": in_channels, "classes": classes}
        return foreign_network(model, symmetry, **shape, seed=seed)
    if MODELS[model.name].builder == "ckg":
        network = _on_group(model, group, kernel, in_channels, classes, image)
        choose_compute(network, group.compute if group else "auto")
    else:
        conv = ConvFactory(
            symmetry_of(symmetry),
            symmetry.parametrization,
            tuple(symmetry.layers),
            model.padding,
        )
        network = _network(model, conv, in_channels, classes)
    initialise(network, seed, symmetry.init)
    return network


def build_plain(
    model: ModelConfig,
    *,
    in_channels: int,
    classes: int,
    image: KernelSize = (32, 32),
    group: GroupConfig | None = None,
) -> nn.Module:
    """Return the plain network that effective weights of this model fit into, without them."""
    if model.name == FOREIGN:
        shape = {"in_channels": in_channels, "classes": classes}
        return make_foreign(model, **shape, seed=0, fill=False).network
    if MODELS[model.name].builder == "ckg":
        # All kernels of a grid have the same effective network; this one is the cheapest to make.
        kernel = KernelConfig("nonseparable", hidden=2)
        return effective_network(_on_group(model, group, kernel, in_channels, classes, image))
    return _network(model, ConvFactory(padding=model.padding), in_channels, classes)


def check_images(model: ModelConfig, image: KernelSize) -> None:
    """Raise ConfigError where images are too small for a network on a group."""
    if MODELS[model.name].builder == "ckg":
        assert isinstance(model.kernel_size, int)  # ModelConfig saw to it
        last_size(image, model.kernel_size, NETWORKS[model.name].pools)


def check_batches(config: TrainConfig, images: int) -> None:
    """Raise ConfigError where a network on a group would train on a batch of one image.

    Args:
        config: of the run.
        images: of its training part.
    """
    network = NETWORKS.get(config.model.name)
    if network is None or not network.normed_head:
        return
    size, limit = config.data.batch_size, config.trainer.limit_train_batches
    whole, rest = divmod(images, size)
    if size == 1 or (rest == 1 and (limit is None or limit > whole)):
        why = f"of {images} images the last batch has one, which has no statistics to normalise by"
        raise ConfigError("data.batch_size", size, "must be > 1" if size == 1 else why)


def plain_state(config: TrainConfig, state: Mapping[str, Tensor]) -> Mapping[str, Tensor]:
    """Return the effective network's state dict, given what is stored of it."""
    if MODELS[config.model.name].builder == "ckg":
        return restored(state, group_grid(config.group))
    return state


def shapes_of(data: Mapping[str, Any]) -> dict[str, Any]:
    """Return the arguments that a network's shape takes from a manifest's notes on its data."""
    image = (data["height"], data["width"])
    return {"in_channels": data["channels"], "classes": len(data["classes"]), "image": image}


def choose_compute(network: nn.Module, compute: str) -> None:
    """Set how the group convolutions compute: `auto` leaves each what it has chosen."""
    for layer in network.modules():
        if isinstance(layer, GroupConv2d) and compute != "auto":
            layer.passes = compute == "passes" and layer.passable


def group_grid(group: GroupConfig) -> PlaneGrid:
    """Return the grid that a config describes."""
    return PlaneGrid(**group.grid)


def _on_group(
    model: ModelConfig,
    group: GroupConfig | None,
    kernel: KernelConfig | None,
    in_channels: int,
    classes: int,
    image: KernelSize,
) -> nn.Module:
    group, kernel = group or GroupConfig(), kernel or KernelConfig()
    grid = group_grid(group)
    assert model.width != AUTO and isinstance(model.kernel_size, int)  # Settled before it is built
    return ckg_network(
        model.name,
        grid=grid,
        kernel=KernelSpec(
            kernel.name, kernel.hidden, kernel.layers, kernel.first_omega, kernel.omega
        ),
        turn=step_of(grid.rotations, group.sampling),
        in_channels=in_channels,
        classes=classes,
        width=model.width,
        kernel_size=model.kernel_size,
        image=image,
        norm=model.norm,
        pool=model.pool,
    )


def _network(model: ModelConfig, conv: ConvFactory, in_channels: int, classes: int) -> nn.Module:
    assert model.width != AUTO  # Settled before it is built.
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
    if MODELS[model.name].builder == "unet":
        return unet(**options)
    return resnet(model.name, shortcut=model.shortcut, **options)


def free_parameters(network: nn.Module) -> int:
    """Return the number of trainable scalars: with tied kernels, orbits rather than taps."""
    return sum(p.numel() for p in network.parameters() if p.requires_grad)
