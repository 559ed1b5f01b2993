"""Networks that no run trained: by name, with weights of a file, and the images to look at them on.

One way in for all analyses. What is wrong is said before anything is written.
"""

from __future__ import annotations

import copy
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import torch
from torch import Tensor, nn
from torch.nn.modules.batchnorm import _BatchNorm

from symscape.config.analysis import AnalysisConfig, PlaceConfig
from symscape.config.data import DataConfig
from symscape.data.batches import Batches
from symscape.data.images import ImageData
from symscape.data.load import load_data
from symscape.errors import ConfigError
from symscape.jobs.analysis.subjects import Subject
from symscape.jobs.console import log
from symscape.models.weights import fill_network, read_foreign
from symscape.models.zoo import ZooNetwork, load_network
from symscape.runs.subjects import NetworkReference
from symscape.runs.weights import content_hash

Values = tuple[float, ...]
"""One a channel."""
PRETRAINED = "pretrained"
EXAMPLE = 2
"""Images that a network is tried on."""


@dataclass(frozen=True, eq=False)
class Weighted:
    """A network with its weights."""

    zoo: ZooNetwork
    reference: NetworkReference
    weights: str
    """Where they come from, in words."""


def weighted(
    name: str,
    weights: str | None,
    *,
    key: str = "weights",
    seed: int = 0,
    said: str | None = None,
    classes: int | None = None,
    channels: int | None = None,
) -> Weighted:
    """Return a network with weights.

    Args:
        name: of the network.
        weights: None (random, from `seed`), `pretrained`, or a file.
        key: of the config that names the weights.
        seed: of random weights.
        said: what the file is called in its label; None: its name.
        classes: of its images, unless pretrained weights fix them; see `load_network`.
        channels: likewise.

    Raises:
        SymscapeError: the network cannot be had, or its weights are missing, damaged, of another
            network or not finite.
    """
    pretrained = weights == PRETRAINED
    if pretrained:
        classes = channels = None
    zoo = load_network(name, pretrained=pretrained, seed=seed, classes=classes, channels=channels)
    words, label = zoo.weights, name
    if pretrained:
        label += f" {PRETRAINED}"
    elif weights is not None:
        path = Path(weights)
        fill_network(zoo.network, read_foreign(path, key), f"{key}={path}")
        words, label = f"weights of {path.name}", f"{label} {said or path.name}"
    return Weighted(zoo, NetworkReference(label, content_hash(zoo.network.state_dict())), words)


class NetworkSubject(Subject):
    """A network that no run trained."""

    def __init__(self, loaded: Weighted, data: ImageData) -> None:
        self.network, self._images = loaded.zoo.network, data
        self.reference, self.title = loaded.reference, loaded.reference.label

    @property
    def data(self) -> Mapping[str, Any]:
        """What its images are."""
        return self._images.describe()

    def images(self, place: PlaceConfig) -> ImageData:
        """Return the images that were named."""
        return self._images

    def load_at(self, moment: str) -> tuple[nn.Module, int | None]:
        """Return a copy of the network, of whose training nothing is known."""
        return copy.deepcopy(self.network), None

    def constrained(self) -> nn.Module:
        """Return the network: nothing ties its kernels."""
        return self.network


def network_subjects(
    config: AnalysisConfig, weights: Mapping[str, str | None], *, seed: int = 0
) -> list[Subject]:
    """Return the network that the config names with each of some weights, ready to be measured.

    Args:
        config: names the network and its images.
        weights: None, `pretrained` or a file, by the key of the config that says so.
        seed: of random weights.

    Raises:
        SymscapeError: a network, weights or images cannot be had, or do not fit each other.
    """
    assert config.network is not None
    # Of one's own function nobody knows the size, and it may ask for the classes.
    library = None if ":" in config.network else load_network(config.network)
    data = load_data(data_config(config.data, _size(config, library)))
    if data.train.labels.ndim != 1:
        raise ConfigError("data.name", config.data.name, "has a class for each pixel, not an image")
    fit = {"classes": len(data.classes), "channels": data.train.images.shape[1]}
    each = [
        weighted(config.network, w, key=key, seed=seed, said=said, **fit)
        for (key, w), said in zip(weights.items(), _distinct(list(weights.values())), strict=True)
    ]
    data = _normalised(config, data, library if PRETRAINED in weights.values() else None)
    for one in each:
        check_answers(one.reference.label, one.zoo.network, data)
    return [NetworkSubject(one, data) for one in each]


def data_config(place: PlaceConfig, image_size: int | None = None) -> DataConfig:
    """Return the config of the images of a network; none are held out: nobody trains on them."""
    name = place.name or "folder"
    return DataConfig(
        name,
        root=place.root,
        cache=place.cache,
        image_size=image_size,
        val_fraction=0,
        batch_size=1,
    )


def _size(config: AnalysisConfig, library: ZooNetwork | None) -> int | None:
    """Return how large images are made; None leaves them."""
    if config.data.image_size is not None or library is None or library.input_size is None:
        return config.data.image_size
    height, width = library.input_size
    if height != width:
        said = f"{config.network} takes {height}x{width}; images are resized to squares alone"
        raise ConfigError("data.image_size", None, said)
    return height


def _distinct(weights: Sequence[str | None]) -> list[str | None]:
    """Return what to call each file: its name, with folders before it where they tell it apart."""
    parts = [None if w in (None, PRETRAINED) else Path(str(w)).parts for w in weights]
    for count in range(1, max((len(p) for p in parts if p), default=0) + 1):
        names = [None if p is None else "/".join(p[-count:]) for p in parts]
        if len(set(names)) == len(names):
            return names
    return [None if p is None else "/".join(p) for p in parts]


def _normalised(config: AnalysisConfig, data: ImageData, library: ZooNetwork | None) -> ImageData:
    """Return the images with the mean and deviation that they are shown with; say which."""
    height, width = data.train.images.shape[2:]
    mean, std, whose = normalisation(config.data, (data.mean, data.std), library)
    shown = ", ".join(f"{m:.3f} ± {s:.3f}" for m, s in zip(mean, std, strict=True))
    count = f"{len(data.train)} + {len(data.test)} images of {len(data.classes)} classes"
    log.info(f"{config.network}: {count}, {height}x{width}, mean and deviation {shown} ({whose})")
    return replace(data, mean=mean, std=std)


def normalisation(
    place: PlaceConfig, own: tuple[Values, Values], library: ZooNetwork | None
) -> tuple[Values, Values, str]:
    """Return the mean and deviation that a network is given its images by, and whose they are.

    Those of the config; else of the library, where it knows; else the images' own.
    """
    mean, std, whose = *own, "their own"
    if library is not None and library.mean and library.std:
        mean, std, whose = library.mean, library.std, "the library's"
    if place.mean is not None:
        mean, std, whose = tuple(place.mean), tuple(place.std), "as given"
    for key, values in (("mean", mean), ("std", std)):
        if len(values) != len(own[0]):
            said = f"{len(values)} values, and the images have {len(own[0])} channels"
            raise ConfigError(f"data.{key}", list(values), said)
    return mean, std, whose


@torch.no_grad()
def check_answers(label: str, network: nn.Module, data: ImageData) -> None:
    """Raise SymscapeError unless a network, in eval mode on the CPU, gives a logit a class."""
    images = example_of(data)
    try:
        answers = network(images)
    except Exception as error:
        why = f"{type(error).__name__}: {(str(error).splitlines() or [''])[0]}"
        size = "x".join(map(str, images.shape[1:]))
        said = f"cannot read images of {size} (data.image_size=N makes others): {why}"
        raise ConfigError("network", label, said) from error
    if not isinstance(answers, Tensor):
        kind = type(answers).__name__
        raise ConfigError("network", label, f"answers with {kind}, not with a tensor of logits")
    if answers.ndim != 2:
        shape = "x".join(map(str, answers.shape))
        said = f"answers with {shape} for {EXAMPLE} images, not with a logit a class"
        raise ConfigError("network", label, said)
    if answers.shape[1] != len(data.classes):
        said = f"{answers.shape[1]} logits, and the images have {len(data.classes)} classes"
        raise ConfigError("network", label, said)
    for name, module in network.named_modules():
        if isinstance(module, _BatchNorm) and not module.track_running_stats:
            said = f"{name} normalises by the batch: an answer depends on the other images"
            raise ConfigError("network", label, said)


def example_of(data: ImageData) -> Tensor:
    """Return two images as a network is given them, (2, C, H, W)."""
    few = data.train.subset(slice(EXAMPLE))
    batches = Batches(
        few, batch_size=EXAMPLE, mean=data.mean, std=data.std, device="cpu", shuffle=False
    )
    return next(iter(batches))[0]
