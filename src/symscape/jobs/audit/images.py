"""The test images that a network's answers are compared on."""

from __future__ import annotations

import hashlib
from collections.abc import Iterable
from dataclasses import dataclass

from torch import Tensor

from symscape.config.audit import AuditConfig
from symscape.data.batches import Batches
from symscape.data.content import content_key
from symscape.data.images import ImageSet, channel_stats
from symscape.data.load import load_parts
from symscape.data.resize import resized
from symscape.errors import ConfigError
from symscape.jobs.analysis.images import images_of, some
from symscape.jobs.analysis.networks import data_config, normalisation
from symscape.jobs.audit.specimens import Specimen
from symscape.runs.find import Run
from symscape.training.hardware import Hardware

BATCH = 250


@dataclass(frozen=True)
class TestImages:
    """Normalised batches, and what identifies them."""

    batches: Iterable[tuple[Tensor, Tensor]]
    count: int
    classes: int
    content: str
    """Hash of the images, their size and number: results that share it are compared."""


class Images:
    """Loads the images of one specimen after another; those of one data set once."""

    def __init__(self, config: AuditConfig, hardware: Hardware) -> None:
        self.config, self.hardware = config, hardware
        self.loaded: dict[str, tuple[ImageSet, int, str]] = {}

    def of(self, specimen: Specimen, size: tuple[int, int]) -> TestImages:
        """Return the first test images for a specimen, of this size.

        Raises:
            SymscapeError: they cannot be had, or are others than those of the run's training.
        """
        if size != specimen.size and size[0] != size[1]:
            raise ConfigError("mitigations", "size", "images are resized to squares alone")
        if specimen.run is not None:
            return self._of_run(specimen.run, size)
        return self._of_network(specimen, size)

    def _of_run(self, run: Run, size: tuple[int, int]) -> TestImages:
        about = run.manifest.data
        if about["content"] not in self.loaded:
            data = images_of(run, self.config.data)
            test = some(data.test, self.config.images)
            self.loaded[about["content"]] = (test, len(data.classes), data.content)
        test, classes, content = self.loaded[about["content"]]
        if tuple(test.images.shape[2:]) != size:
            test = resized(test, size[0])
        return self._batches(test, classes, content, about["mean"], about["std"])

    def _of_network(self, specimen: Specimen, size: tuple[int, int]) -> TestImages:
        """Read the test part of the images, resized to what the network takes."""
        height, width = size
        if height != width:
            raise ConfigError("input_size", [height, width], "consistency needs square images")
        place = self.config.data
        data = data_config(place, height)
        _, test, classes, content = load_parts(data, content_key(data))
        if test.images.shape[1] != specimen.channels:
            channels = f"{test.images.shape[1]} channels"
            raise ConfigError("data", data.name, f"{channels}, not {specimen.channels}")
        zoo = specimen.zoo
        assert zoo is not None
        mean, std, _ = normalisation(place, channel_stats(test.images), zoo)
        return self._batches(test, len(classes), content, mean, std)

    def _batches(
        self,
        test: ImageSet,
        classes: int,
        content: str,
        mean: tuple[float, ...],
        std: tuple[float, ...],
    ) -> TestImages:
        images = some(test, self.config.images)
        batches = Batches(
            images,
            batch_size=min(BATCH, len(images)),
            mean=mean,
            std=std,
            device=self.hardware.device,
            dtype=self.hardware.dtype,
            shuffle=False,
        )
        shown = f"{content} {tuple(images.images.shape)}"
        digest = hashlib.sha256(shown.encode()).hexdigest()[:16]
        return TestImages(batches, len(images), classes, digest)
