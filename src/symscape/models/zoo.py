"""Networks by name: of torchvision, of timm, or of the user's own; one way in for all doors.

`torchvision/resnet50`, `timm/convnext_tiny` or `package.module:function`, which is called.
"""

from __future__ import annotations

import importlib
import inspect
import sys
import warnings
from collections.abc import Callable, Collection, Iterable, Mapping
from dataclasses import dataclass, replace
from functools import cached_property, partial
from pathlib import Path
from types import ModuleType
from typing import Any

import torch
from torch import nn

from symscape.errors import ConfigError, did_you_mean
from symscape.models.adaptation import fill_trunk, sum_channels

LIBRARIES = ("torchvision", "timm")


@dataclass(frozen=True, eq=False)
class ZooNetwork:
    """A network, and what its library knows of its images."""

    label: str
    network: nn.Module
    """In eval mode, on the CPU."""
    weights: str
    """Where its weights come from: `random weights (seed 0)`, or `pretrained weights`."""
    input_size: tuple[int, int] | None = None
    """Rows and columns; None where nobody says."""
    mean: tuple[float, ...] | None = None
    std: tuple[float, ...] | None = None
    """A value a channel, in units where white is 1; None where nobody says."""
    library: str = ""
    """Name and version of the library it comes from."""

    @cached_property
    def channels(self) -> int:
        """Of the images, by its first convolution; see `channels_of`."""
        return channels_of(self.label, self.network)


def load_network(
    name: str,
    *,
    pretrained: bool = False,
    seed: int = 0,
    arguments: Mapping[str, Any] | None = None,
    classes: int | None = None,
    channels: int | None = None,
) -> ZooNetwork:
    """Return a network by its name.

    Args:
        name: `torchvision/NAME`, `timm/NAME` or `package.module:function`.
        pretrained: with the library's weights, which it downloads; else with random ones.
        seed: of the random weights; the random state of the process is left as it is.
        arguments: for the function that makes it.
        classes: logits; None: as many as it has by itself. A function of the user's own is told if
            it has a parameter `num_classes` or `classes`.
        channels: of the images, likewise (`in_channels`, `in_chans`, `channels`).

    Raises:
        SymscapeError: it cannot be had; one line says why, and proposes the nearest name.
    """
    library, slash, model = name.partition("/")
    if pretrained and not slash:
        raise ConfigError("weights", "pretrained", f"{name} is no library's; give a file")
    wish = _Wish(pretrained, dict(arguments or {}), classes, channels)
    with torch.random.fork_rng(devices=[]), warnings.catch_warnings():
        warnings.simplefilter("ignore")
        torch.manual_seed(seed)
        if ":" in name:
            found = _own(name, wish)
        elif library not in LIBRARIES or not slash:
            raise ConfigError(
                "network", name, "allowed are torchvision/NAME, timm/NAME, package.module:function"
            )
        else:
            makers = {"torchvision": _torchvision, "timm": _timm}
            found = makers[library](name, model, wish)
    said = "pretrained weights" if pretrained else f"random weights (seed {seed})"
    return replace(found, weights=said, network=found.network.eval())


@dataclass(frozen=True)
class _Wish:
    """What a network should be like."""

    pretrained: bool
    options: dict[str, Any]
    classes: int | None
    channels: int | None

    def told(self, **names: int | None) -> dict[str, Any]:
        """Return the options, with what is known by these names unless they say otherwise."""
        return {key: value for key, value in names.items() if value is not None} | self.options


def _torchvision(name: str, model: str, wish: _Wish) -> ZooNetwork:
    import torchvision
    from torchvision import models

    dense = models.list_models(module=models.segmentation)
    _check_known(name, model, models.list_models(module=models) + dense, models.list_models())
    best = models.get_model_weights(model).DEFAULT
    # Else it would download the weights of a segmentation network's trunk.
    trunk = {"weights_backbone": None} if model in dense else {}
    make: Callable[..., nn.Module] = partial(models.get_model, model, **trunk)
    anew = lambda: make(**wish.told(num_classes=wish.classes))  # noqa: E731
    network = _made(name, partial(make, weights=best, **wish.options) if wish.pretrained else anew)
    if wish.pretrained and wish.classes not in (None, len(best.meta["categories"])):
        other = _made(name, anew)
        fill_trunk(other, network.state_dict(), "weights=pretrained", wish.classes)
        network = other
    if wish.channels == 1:  # No option of theirs makes networks for grey images.
        sum_channels(network)
    preset = best.transforms()
    # Transformers take one size alone, which other weights may not have.
    own = getattr(network, "image_size", None)
    crop = [own] if own else preset.crop_size if hasattr(preset, "crop_size") else None
    size = (int(crop[0]), int(crop[-1])) if crop else None
    mean, std = (tuple(getattr(preset, key, ())) or None for key in ("mean", "std"))
    version = f"torchvision {torchvision.__version__}"
    return ZooNetwork(name, network, "", size, mean, std, version)


def _timm(name: str, model: str, wish: _Wish) -> ZooNetwork:
    try:
        import timm
    except ImportError:
        raise ConfigError("network", name, "needs timm: pip install -e '.[zoo]'") from None
    _check_known(name, model.partition(".")[0], timm.list_models(), ())
    options = wish.told(num_classes=wish.classes, in_chans=wish.channels)
    network = _made(name, lambda: timm.create_model(model, pretrained=wish.pretrained, **options))
    about = getattr(network, "pretrained_cfg", {})
    size = tuple(about.get("input_size", ()))[1:] or None
    mean, std = (tuple(about.get(key, ())) or None for key in ("mean", "std"))
    version = f"timm {timm.__version__}"
    return ZooNetwork(name, network, "", size, mean, std, version)


def _own(name: str, wish: _Wish) -> ZooNetwork:
    """Return what a function of the user's own makes."""
    module, _, function = name.partition(":")
    make = getattr(_module(name, module), function, None)
    if not callable(make):
        raise ConfigError("network", name, f"{module} has no function {function}")
    known = dict.fromkeys(("num_classes", "classes"), wish.classes)
    known |= dict.fromkeys(("in_channels", "in_chans", "channels"), wish.channels)
    asked = {key: value for key, value in known.items() if key in _parameters(make)}
    network = _made(name, lambda: make(**wish.told(**asked)))
    return ZooNetwork(name, network, "")


def _parameters(make: Callable[..., Any]) -> Collection[str]:
    try:
        return inspect.signature(make).parameters
    except ValueError:  # Some callables have none.
        return ()


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


LISTING = {"torchvision": "torchvision.models.list_models()", "timm": "timm.list_models()"}


def _check_known(name: str, model: str, known: Iterable[str], others: Iterable[str]) -> None:
    known = list(known)
    if model in known:
        return
    if model in others:
        raise ConfigError(
            "network", name, "detects, reads videos, or is quantised: not an image to an answer"
        )
    library = name.partition("/")[0]
    hint = did_you_mean(name, [f"{library}/{each}" for each in known])
    some = f"{hint}{library} has {len(known)} networks, and none of this name"
    raise ConfigError("network", name, f"{some}; {LISTING[library]} names them")


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
