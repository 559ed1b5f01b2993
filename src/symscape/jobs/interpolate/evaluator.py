"""What all lines share: images, device, one network to fill with weights."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import replace
from functools import lru_cache
from typing import Any

from torch import Tensor

from symscape.config.interpolate import InterpolateConfig
from symscape.data.batches import Batches
from symscape.data.images import ImageSet
from symscape.errors import ConfigError, SymscapeError
from symscape.jobs.analysis.images import on_device, some
from symscape.jobs.analysis.subjects import Subject
from symscape.jobs.console import log
from symscape.jobs.interpolate.kept import KeptAtLoss
from symscape.landscape.barriers import barriers
from symscape.landscape.batchnorm import STATISTICS_BATCH, norm_names, reset_statistics
from symscape.landscape.evaluation import Transformed, evaluate
from symscape.landscape.interpolation import Line, Point
from symscape.layers.evaluation import for_evaluation
from symscape.runs.results import Curves
from symscape.training.hardware import Hardware
from symscape.training.setup import make_batches

ALIGNMENT_BATCH = 100
CHECK_IMAGES = 500
PRECISION_TOLERANCE = 0.01
STATES_IN_MEMORY = 2 << 30  # bytes


class LineEvaluator:
    """Images and a network on the device.

    Args:
        config: What to measure.
        subject: Any of those to compare: all are of one architecture and data set.
        hardware: On what.

    Raises:
        SymscapeError: the images are not there, or are not those of the training.
    """

    def __init__(self, config: InterpolateConfig, subject: Subject, hardware: Hardware) -> None:
        self.config, self.subject, self.hardware = config, subject, hardware
        self.data = subject.images(config.data)
        self.network = self.hardware.prepare(subject.load())
        if config.bn == "repair" and not norm_names(self.network):
            label = subject.reference.label
            raise ConfigError("bn", "repair", f"{label} has no BatchNorm or GroupNorm; takes reset")
        self.forward = self.hardware.prepare(for_evaluation(self.network, self.hardware.precision))
        self.twin = self.hardware.prepare(subject.load())
        # The reference: the same weights in full precision.
        exact = "float64" if self.hardware.precision == "float64" else "float32"
        self.exact = replace(self.hardware, precision=exact)
        self.exact_network = self.exact.prepare(subject.load())
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
        level = config.level
        self.kept = None if level is None else KeptAtLoss(self.line, hardware, level)
        size = sum(t.nbytes for t in self.network.state_dict().values())
        self.state = lru_cache(maxsize=max(2, STATES_IN_MEMORY // size))(self._state)

    def first(self, count: int) -> ImageSet:
        """Return the first training images: a stratified sample, the same one always."""
        return some(self.data.train, count)

    def batches(self, images: ImageSet, size: int = 500) -> Batches:
        """Return an image set in batches on the device."""
        return make_batches(images, self.data, self.hardware, batch_size=size, shuffle=False)

    def _state(self, subject: Subject) -> dict[str, Tensor]:
        moment = "final" if self.kept is None else self.kept.of(subject).name
        return on_device(subject.load_at(moment)[0], self.hardware)

    def check_precision(self) -> dict[str, float]:
        """Return the loss of the network as it is filled, in its precision and in full.

        Warns where they differ by more than 1 % and 0.001 nats.
        """
        losses = self.both_losses()
        if losses:
            (name, rounded), (reference, exact) = losses.items()
            if abs(rounded - exact) > max(0.001, PRECISION_TOLERANCE * abs(exact)):
                log.warning(
                    f"precision={name}: the loss at 1/2 is {rounded:.4f}, in {reference} "
                    f"{exact:.4f}; precision={reference} is slower and exact"
                )
        return losses

    def both_losses(self) -> dict[str, float]:
        """Return the losses on a few images, in the network's precision and in full.

        Empty where both are the same. The statistics are those of these images; `repair` is
        checked without its rescaling.
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
