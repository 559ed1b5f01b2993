"""Networks by name: of torchvision, of timm, or of the user's own; one way in for all doors.

`torchvision/resnet50`, `timm/convnext_tiny` or `package.module:function`, which is called.
"""

from __future__ import annotations

import importlib
import sys
import warnings
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass, replace
from pathlib import Path
from types import ModuleType
from typing import Any

import torch
from torch import nn

from symscape.errors import ConfigError, did_you_mean

LIBRARIES = ("torchvision", "timm")


@dataclass(frozen=True, eq=False)
class ZooNetwork:
    """A network, and what its library knows of its images."""

    label: str
    network: nn.Module
    """In eval mode, on the CPU."""
    weights: str
    """Where its weights come from: `random weights (seed 0)`, or `pretrained weights`."""
    channels: int
    """Of the images, by its first convolution."""
    input_size: tuple[int, int] | None = None
    """Rows and columns; None where nobody says."""
    mean: tuple[float, ...] | None = None
    std: tuple[float, ...] | None = None
    """A value a channel, in units where white is 1; None where nobody says."""
    library: str = ""
    """Name and version of the library it comes from."""


def load_network(
    name: str,
    *,
    pretrained: bool = False,
    seed: int = 0,
    arguments: Mapping[str, Any] | None = None,
) -> ZooNetwork:
    """Return a network by its name.

    Args:
        name: `torchvision/NAME`, `timm/NAME` or `package.module:function`.
        pretrained: with the library's weights, which it downloads; else with random ones.
        seed: of the random weights; the random state of the process is left as it is.
        arguments: for the function that makes it.

    Raises:
        SymscapeError: it cannot be had; one line says why, and proposes the nearest name.
    """
    library, slash, model = name.partition("/")
    options = dict(arguments or {})
    with torch.random.fork_rng(devices=[]), warnings.catch_warnings():
        warnings.simplefilter("ignore")
        torch.manual_seed(seed)
        if ":" in name:
            found = _own(name, options)
        elif library not in LIBRARIES or not slash:
            raise ConfigError(
                "network", name, "allowed are torchvision/NAME, timm/NAME, package.module:function"
            )
        else:
            makers = {"torchvision": _torchvision, "timm": _timm}
            found = makers[library](name, model, pretrained, options)
    if pretrained and not slash:
        raise ConfigError("weights", "pretrained", f"{name} is no library's; give a file")
    said = "pretrained weights" if pretrained else f"random weights (seed {seed})"
    return replace(found, weights=said, network=found.network.eval())


def _torchvision(name: str, model: str, pretrained: bool, options: dict[str, Any]) -> ZooNetwork:
    import torchvision
    from torchvision import models

    dense = models.list_models(module=models.segmentation)
    _check_known(name, model, models.list_models(module=models) + dense, models.list_models())
    best = models.get_model_weights(model).DEFAULT
    # Else it would download the weights of a segmentation network's trunk.
    options |= {"weights_backbone": None} if model in dense else {}
    make: Callable[[], nn.Module] = lambda: models.get_model(  # noqa: E731
        model, weights=best if pretrained else None, **options
    )
    network = _made(name, make)
    preset = best.transforms()
    # Transformers take one size alone, which other weights may not have.
    own = getattr(network, "image_size", None)
    crop = [own] if own else preset.crop_size if hasattr(preset, "crop_size") else None
    size = (int(crop[0]), int(crop[-1])) if crop else None
    mean, std = (tuple(getattr(preset, key, ())) or None for key in ("mean", "std"))
    version = f"torchvision {torchvision.__version__}"
    return ZooNetwork(name, network, "", channels_of(name, network), size, mean, std, version)


def _timm(name: str, model: str, pretrained: bool, options: dict[str, Any]) -> ZooNetwork:
    try:
        import timm
    except ImportError:
        raise ConfigError("network", name, "needs timm: pip install -e '.[zoo]'") from None
    _check_known(name, model.partition(".")[0], timm.list_models(), ())
    network = _made(name, lambda: timm.create_model(model, pretrained=pretrained, **options))
    about = getattr(network, "pretrained_cfg", {})
    size = tuple(about.get("input_size", ()))[1:] or None
    mean, std = (tuple(about.get(key, ())) or None for key in ("mean", "std"))
    version = f"timm {timm.__version__}"
    return ZooNetwork(name, network, "", channels_of(name, network), size, mean, std, version)


def _own(name: str, options: dict[str, Any]) -> ZooNetwork:
    """Return what a function of the user's own makes."""
    module, _, function = name.partition(":")
    make = getattr(_module(name, module), function, None)
    if not callable(make):
        raise ConfigError("network", name, f"{module} has no function {function}")
    network = _made(name, lambda: make(**options))
    return ZooNetwork(name, network, "", channels_of(name, network))


def _module(name: str, module: str) -> ModuleType:
    """Import a module, from the folder at hand too."""
    if (here := str(Path.cwd())) not in sys.path:
        sys.path.insert(0, here)
    try:
        return importlib.import_module(module)
    except Exception as error:
        raise ConfigError("network", name, f"cannot import {module}: {_first(error)}") from error


def _made(name: str, make: Callable[[], Any]) -> nn.Module:
    try:
        network = make()
    except Exception as error:
        raise ConfigError("network", name, _first(error)) from error
    if not isinstance(network, nn.Module):
        raise ConfigError("network", name, f"gives {type(network).__name__}, no nn.Module")
    return network


def _first(error: Exception) -> str:
    """Return an error's first line, with its type."""
    return f"{type(error).__name__}: {(str(error).splitlines() or [''])[0]}"


def _check_known(name: str, model: str, known: Iterable[str], others: Iterable[str]) -> None:
    known = list(known)
    if model in known:
        return
    if model in others:
        raise ConfigError(
            "network", name, "detects, reads videos, or is quantised: not an image to an answer"
        )
    library = name.partition("/")[0]
    hint = did_you_mean(model, known)
    raise ConfigError("network", name, f"{hint}{library} has {len(known)} networks, not this one")


def channels_of(name: str, network: nn.Module) -> int:
    """Return how many channels the images of a network have, by its first convolution.

    Raises:
        SymscapeError: it has none, or one of three dimensions, or of integers.
    """
    for module in network.modules():
        if isinstance(module, nn.Conv2d):
            return module.in_channels
        if isinstance(module, nn.Conv1d | nn.Conv3d):
            kind = type(module).__name__
            raise ConfigError("network", name, f"begins with {kind}: images have two dimensions")
        if type(module).__module__.startswith("torch.ao.nn.quantized"):
            raise ConfigError("network", name, "is quantised: its kernels are integers")
    raise ConfigError("network", name, "has no convolution")
