"""What all measurements of an analysis share: images, device, one network to fill with weights."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import replace
from functools import lru_cache
from typing import Any

import torch
from torch import Tensor, nn

from symscape.config.analysis import PlaceConfig
from symscape.config.groups import TrainerConfig
from symscape.config.interpolate import InterpolateConfig
from symscape.config.sharpness import SharpnessConfig
from symscape.data.batches import Batches
from symscape.data.images import ImageData, ImageSet
from symscape.data.load import load_data
from symscape.errors import ConfigError, SymscapeError
from symscape.landscape.barriers import barriers
from symscape.landscape.batchnorm import STATISTICS_BATCH, reset_statistics
from symscape.landscape.evaluation import Transformed, evaluate
from symscape.landscape.interpolation import Line, Point
from symscape.layers.evaluation import for_evaluation
from symscape.runs.find import Run, load_network
from symscape.runs.manifest import git_commit, package_versions
from symscape.runs.results import Curves
from symscape.training.fit import make_batches
from symscape.training.hardware import Hardware, resolve_hardware

ALIGNMENT_BATCH = 100
CHECK_IMAGES = 500
STATES_IN_MEMORY = 2 << 30  # bytes


class Laboratory:
    """Images and a network on the device.

    Args:
        config: What to measure.
        run: Any run of those to compare: all are of one architecture and data set.

    Raises:
        SymscapeError: the images are not there, or are not those of the training.
    """

    def __init__(self, config: InterpolateConfig, run: Run) -> None:
        self.config, self.run = config, run
        self.hardware = hardware_of(config)
        self.data = images_of(run, config.data)
        self.network = self.hardware.prepare(load_network(run))
        self.forward = self.hardware.prepare(for_evaluation(self.network, self.hardware.precision))
        self.twin = self.hardware.prepare(load_network(run))
        # The reference: the same weights in full precision.
        exact = "float64" if self.hardware.precision == "float64" else "float32"
        self.exact = replace(self.hardware, precision=exact)
        self.exact_network = self.exact.prepare(load_network(run))
        splits: dict[str, Any] = {
            "train": self.batches(self.first(config.train_images)),
            "test": self.batches(some(self.data.test, config.test_images)),
        }
        for name in config.transform:
            splits[f"test/{name}"] = Transformed(splits["test"], name)
        statistics = self.batches(self.first(config.bn_images), STATISTICS_BATCH)
        self.line = Line(
            self.network, splits, bn=config.bn, statistics=statistics, forward=self.forward
        )
        self.provenance: dict[str, Any] = {
            "resolved": self.hardware.as_dict(),
            "versions": package_versions(),
            "git_commit": git_commit(),
        }
        size = sum(t.nbytes for t in self.network.state_dict().values())
        self.state = lru_cache(maxsize=max(2, STATES_IN_MEMORY // size))(self._state)

    def first(self, count: int) -> ImageSet:
        """Return the first training images: a stratified sample, the same one always."""
        return some(self.data.train, count)

    def batches(self, images: ImageSet, size: int = 500) -> Batches:
        """Return an image set in batches on the device."""
        return make_batches(images, self.data, self.hardware, batch_size=size, shuffle=False)

    def _state(self, run: Run) -> dict[str, Tensor]:
        return on_device(load_network(run), self.hardware)

    def check_precision(self) -> dict[str, float]:
        """Return the loss of the network as it is filled, in its precision and in full.

        Empty where both are the same. The statistics are those of the few images checked;
        `repair` is checked without its rescaling.
        """
        if self.hardware == self.exact:
            return {}
        few = self.first(CHECK_IMAGES)
        if self.config.bn in ("reset", "repair"):
            reset_statistics(self.network, self.batches(few), self.forward)
        self.exact_network.load_state_dict(self.network.state_dict())
        return {
            self.hardware.precision: evaluate(self.forward, self.batches(few)).loss,
            self.exact.precision: evaluate(self.exact_network, self.batches(few)).loss,
        }

    def images_used(self) -> dict[str, int]:
        """Return how many images of each kind there are: fewer than asked for in small sets."""
        config, train = self.config, len(self.data.train)
        return {
            "train": min(config.train_images, train),
            "test": min(config.test_images or len(self.data.test), len(self.data.test)),
            "statistics": min(config.bn_images, train),
            "alignment": min(config.align_images, train),
        }


def hardware_of(config: InterpolateConfig | SharpnessConfig) -> Hardware:
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


def curves_of(points: Sequence[Point], label: str) -> Curves:
    """Return loss and error along a line, by split.

    Raises:
        SymscapeError: a loss is not finite.
    """
    curves: Curves = {}
    for split in points[0]:
        here = [point[split] for point in points]
        if not all(math.isfinite(each.loss) for each in here):
            raise SymscapeError(f"{label}: a loss on {split} is not finite")
        curves[split] = {"loss": [e.loss for e in here], "error": [e.error for e in here]}
    return curves


def all_barriers(alphas: list[float], curves: Curves) -> dict[str, dict[str, dict[str, float]]]:
    """Return the barriers of every curve, by split, metric and definition."""
    return {
        split: {metric: barriers(alphas, values) for metric, values in metrics.items()}
        for split, metrics in curves.items()
    }
