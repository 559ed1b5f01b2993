"""The loss and accuracy of a plain network on a set of images."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass

import torch
from torch import Tensor, nn
from torch.nn import functional


@dataclass(frozen=True)
class Evaluation:
    """Sample means over `images` images: cross-entropy in nats, share of correct answers."""

    loss: float
    accuracy: float
    images: int


@torch.inference_mode()
def evaluate(network: nn.Module, batches: Iterable[tuple[Tensor, Tensor]]) -> Evaluation:
    """Return the mean cross-entropy and accuracy; ragged batches are weighted by their images.

    Sums stay on the device in float64, with one synchronisation at the end.

    Args:
        network: a network in eval mode that maps images (n, c, h, w) to logits (n, classes).
        batches: pairs of images and labels (n,).
    """
    sums: Tensor | None = None
    count = 0
    for images, labels in batches:
        logits = network(images).to(torch.promote_types(images.dtype, torch.float32))
        loss = functional.cross_entropy(logits, labels, reduction="sum").double()
        batch = torch.stack([loss, (logits.argmax(1) == labels).sum().double()])
        sums = batch if sums is None else sums + batch
        count += len(labels)
    if sums is None:
        raise ValueError("batches: there is no image to evaluate on")
    loss_sum, correct = sums.tolist()
    return Evaluation(loss_sum / count, correct / count, count)
