"""Networks that are not ours, made for the images and classes at hand, and looked at first."""

from __future__ import annotations

import copy
from collections import Counter
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

import torch
from torch import Tensor, nn
from torch.nn.parameter import is_lazy

from symscape.config.groups import SymmetryConfig
from symscape.config.network.model import ModelConfig
from symscape.errors import ConfigError, SymscapeError
from symscape.layers.conversion import left_alone, symmetric_network
from symscape.layers.sampling.strided import sound
from symscape.models.adaptation import fill_trunk
from symscape.models.weights import read_foreign
from symscape.models.zoo import load_network
from symscape.symmetry.groups import KernelSize, Symmetry

NAMED = 3
"""Layers that a line names; of more it says how many."""


@dataclass(frozen=True)
class Foreign:
    """A network of a library or the user's own."""

    network: nn.Module
    """In train mode, channels-last, on the CPU."""
    library: str
    """Name and version of the library it comes from; empty for the user's own."""
    anew: tuple[str, ...] = ()
    """Entries that start anew although weights were loaded: the last layer's, for other classes."""


def make_foreign(
    model: ModelConfig, *, in_channels: int, classes: int, seed: int, fill: bool = True
) -> Foreign:
    """Return the network that `model.network` names.

    Args:
        model: with `network`, `arguments` and `weights`.
        in_channels: of the images.
        classes: logits.
        seed: of its own random weights.
        fill: load `model.weights`.

    Raises:
        SymscapeError: it cannot be had, or its weights are damaged or of another network.
    """
    assert model.network is not None  # TrainConfig saw to it
    with _keys_of_model():
        found = load_network(
            model.network,
            pretrained=fill and model.weights == "pretrained",
            seed=seed,
            arguments=model.arguments,
            classes=classes,
            channels=in_channels,
        )
        if any(is_lazy(parameter) for parameter in found.network.parameters()):
            raise ConfigError("network", model.network, "has lazy layers: give their sizes")
        anew: list[str] = []
        if fill and model.weights_file is not None:
            path = Path(model.weights_file)
            anew = fill_trunk(found.network, read_foreign(path), f"weights={path}", classes)
    network = sound(found.network).to(memory_format=torch.channels_last)
    return Foreign(network.train(), found.library, tuple(anew))


def symmetry_of(config: SymmetryConfig) -> Symmetry:
    """Return the symmetry that a config names."""
    return Symmetry(config.name, config.like, config.seed)


def foreign_network(
    model: ModelConfig, symmetry: SymmetryConfig, *, in_channels: int, classes: int, seed: int
) -> nn.Module:
    """Return the network that `model.network` names, with symmetric kernels, to be trained.

    Its own random draw from `seed`, or its weights, are what symmetric kernels start from.
    """
    made = make_foreign(model, in_channels=in_channels, classes=classes, seed=seed)
    return symmetric_network(
        made.network,
        symmetry_of(symmetry),
        symmetry.parametrization,
        symmetry.layers,
        symmetry.init,
    )


@contextmanager
def _keys_of_model() -> Iterator[None]:
    """Name settings as `train.py` has them: the loader serves other doors too."""
    try:
        yield
    except SymscapeError as error:
        raise SymscapeError(f"model.{error}") from error


def check_answers(network: nn.Module, name: str, image: tuple[int, int, int], classes: int) -> None:
    """See that a network maps images to logits, in evaluation and in training.

    Args:
        network: is left as it is.
        name: of it.
        image: channels, height and width.
        classes: logits.

    Raises:
        ConfigError: it fails, or answers with anything else.
    """
    twin = copy.deepcopy(network)
    images = torch.zeros(2, *image).contiguous(memory_format=torch.channels_last)
    for training in (False, True):
        when = "in training" if training else "in evaluation"
        with torch.random.fork_rng(devices=[]), torch.no_grad():
            try:
                answer = twin.train(training)(images)
            except Exception as error:
                size = "x".join(map(str, image))
                first = (str(error).splitlines() or [""])[0]
                why = f"cannot take images of {size} {when}: {type(error).__name__}: {first}"
                raise ConfigError("model.network", name, why) from error
        if not isinstance(answer, Tensor):
            why = f"answers with {type(answer).__name__} {when}: logits are needed, a tensor"
            raise ConfigError("model.network", name, why)
        if answer.shape != (2, classes):
            found = f"answers with {tuple(answer.shape)} {when} for 2 images of {classes} classes"
            hint = f"if a parameter says how many: model.arguments.NAME={classes}"
            raise ConfigError("model.network", name, f"{found}; {hint}")


@dataclass(frozen=True)
class Look:
    """What is known of a network before it is trained."""

    library: str
    lines: tuple[str, ...]
    """What to say of it: which convolutions obey, which do not and why, what starts anew."""
    batchnorm: bool
    """Whether statistics of batches are kept anywhere in it."""


def look_at(
    model: ModelConfig,
    symmetry: SymmetryConfig,
    *,
    in_channels: int,
    classes: int,
    image: KernelSize,
) -> Look:
    """Make the network that the configs describe, and see that it can be trained.

    Raises:
        SymscapeError: it cannot be had, no convolution of it can obey, or it gives no logits.
    """
    made = make_foreign(model, in_channels=in_channels, classes=classes, seed=0)
    assert model.network is not None
    why = left_alone(made.network, symmetry_of(symmetry), symmetry.layers)
    if all(why.values()) and symmetry.name != "vanilla":
        name, reason = next(iter(why.items()))
        none = f"no convolution of {model.network} can obey ({name}: {reason})"
        raise ConfigError("symmetry", symmetry.name, none)
    check_answers(made.network, model.network, (in_channels, *image), classes)
    norms = (isinstance(m, nn.modules.batchnorm._BatchNorm) for m in made.network.modules())
    return Look(made.library, tuple(_described(symmetry.name, why, made.anew)), any(norms))


def _described(symmetry: str, why: dict[str, str], anew: tuple[str, ...]) -> Iterator[str]:
    if symmetry != "vanilla":
        obey = sum(not each for each in why.values())
        yield f"{obey} of {len(why)} convolutions obey {symmetry}"
        for reason, count in Counter(each for each in why.values() if each).items():
            names = [name for name, each in why.items() if each == reason]
            more = f" and {count - NAMED} more" if count > NAMED else ""
            yield f"as they are: {', '.join(names[:NAMED])}{more} ({reason})"
    if anew:
        yield f"for other classes than those of the weights, anew: {', '.join(anew)}"
