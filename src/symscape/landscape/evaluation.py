"""The loss and accuracy of a plain network on a set of images."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass

import torch
from torch import Tensor, nn
from torch.nn import functional

from symscape.symmetry.groups import ELEMENTS

Batches = Iterable[tuple[Tensor, Tensor]]
"""Pairs of images (n, c, h, w) and labels (n,), or (n, h, w) for a label a pixel; iterated over
once a network."""
State = Mapping[str, Tensor]
"""The weights of a network, statistics of norms among them, by name."""


@dataclass(frozen=True)
class Evaluation:
    """Means over `images` labels, an image's or a pixel's: cross-entropy in nats, share correct."""

    loss: float
    accuracy: float
    images: int

    @property
    def error(self) -> float:
        """The share of wrong answers."""
        return 1.0 - self.accuracy


@dataclass(frozen=True)
class Sums:
    """An evaluation that is still on its device: reading it waits for the device."""

    totals: Tensor
    """float64, (2,): sum of the cross-entropy, number of correct answers."""
    images: int

    def read(self) -> Evaluation:
        """Return the sample means."""
        loss, correct = self.totals.tolist()
        return Evaluation(loss / self.images, correct / self.images, self.images)


def evaluate(network: nn.Module, batches: Batches) -> Evaluation:
    """Return the mean cross-entropy and accuracy; ragged batches are weighted by their images.

    Args:
        network: in eval mode; maps images (n, c, h, w) to logits (n, classes).
        batches: what to evaluate on.
    """
    return accumulate(network, batches).read()


@torch.inference_mode()
def accumulate(network: nn.Module, batches: Batches) -> Sums:
    """Return what `evaluate` does without waiting for the device; sums are in float64."""
    sums: Tensor | None = None
    count = 0
    for images, labels in batches:
        logits = network(images).to(torch.promote_types(images.dtype, torch.float32))
        loss = functional.cross_entropy(logits, labels, reduction="sum").double()
        batch = torch.stack([loss, (logits.argmax(1) == labels).sum().double()])
        sums = batch if sums is None else sums + batch
        count += labels.numel()
    if sums is None:
        raise ValueError("batches: there is no image to evaluate on")
    return Sums(sums, count)


class Transformed:
    """Batches whose images are flipped or turned.

    Args:
        batches: the natural ones.
        name: of the transform: hflip, vflip, rot90, rot180 or rot270.
    """

    def __init__(self, batches: Batches, name: str) -> None:
        self.batches, self.move = batches, ELEMENTS[name]

    def __iter__(self) -> Iterator[tuple[Tensor, Tensor]]:
        for images, labels in self.batches:
            moved = self.move(images).contiguous(memory_format=torch.channels_last)
            yield moved, self.move(labels) if labels.ndim == 3 else labels
