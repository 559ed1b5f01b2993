"""On what an analysis computes, and the images that its runs were trained on."""

from __future__ import annotations

from dataclasses import replace

import torch
from torch import Tensor, nn

from symscape.config.analysis import AnalysisConfig, PlaceConfig
from symscape.config.groups import TrainerConfig
from symscape.data.images import ImageData, ImageSet
from symscape.data.load import load_data
from symscape.errors import ConfigError, SymscapeError
from symscape.runs.find import Run
from symscape.training.hardware import Hardware, resolve_hardware


def hardware_of(config: AnalysisConfig) -> Hardware:
    """Return on what an analysis runs.

    Raises:
        ConfigError: a GPU is asked for and none is there.
    """
    if config.accelerator == "gpu" and not torch.cuda.is_available():
        raise ConfigError("accelerator", "gpu", "no GPU is visible; auto takes one where there is")
    wanted = TrainerConfig(accelerator=config.accelerator, precision=config.precision)
    return resolve_hardware(wanted, {})


def some(images: ImageSet, count: int | None) -> ImageSet:
    """Return the first `count` images; all of them for None."""
    return images.subset(slice(count))


def on_device(network: nn.Module, hardware: Hardware) -> dict[str, Tensor]:
    """Return a network's state dict where it will be used."""
    state: dict[str, Tensor] = network.to(hardware.device).state_dict()
    return state


def images_of(run: Run, place: PlaceConfig) -> ImageData:
    """Load the images that a run was trained on, from `place` if they have moved.

    Raises:
        SymscapeError: they are not there, or they are others.
    """
    was = run.config.data
    data = load_data(replace(was, root=place.root or was.root, cache=place.cache or was.cache))
    if data.content != run.manifest.data["content"]:
        where = place.root or was.root or was.name
        raise SymscapeError(f"{where}: not the images that {run.folder} was trained on")
    return data
