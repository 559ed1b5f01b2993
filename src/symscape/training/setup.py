"""What a training is made of, decided before its first step and handed on as one object."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any

from symscape.config.train import TrainConfig
from symscape.data.batches import Batches
from symscape.data.images import ImageData, ImageSet
from symscape.models.foreign import Look
from symscape.runs.identity import Identity
from symscape.training.hardware import Hardware
from symscape.training.ranks.place import Place


@dataclass(frozen=True)
class Setup:
    """A run's config, and what it came to on this machine."""

    config: TrainConfig
    identity: Identity
    """Which run it is, and its folder."""
    data: ImageData
    hardware: Hardware
    place: Place = field(default_factory=Place)
    """Which of the processes that train it together this one is."""
    look: Look | None = None
    """What was seen of a network that is not ours."""

    def batches(self, images: ImageSet, **options: Any) -> Batches:
        """Return this process's part of the batches of a split; options of `Batches`."""
        place = self.place
        return make_batches(
            images, self.data, self.hardware, rank=place.rank, ranks=place.ranks, **options
        )


def make_batches(images: ImageSet, data: ImageData, hardware: Hardware, **options: Any) -> Batches:
    """Return batches of a split on the device that computes, in its type."""
    return Batches(
        images,
        mean=data.mean,
        std=data.std,
        device=hardware.device,
        dtype=hardware.dtype,
        **options,
    )
