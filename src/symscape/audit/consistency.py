"""How consistent a classifier's answers are under flips, quarter turns and small moves.

N: images, V: views of an image, C: classes. The answer to an image is the class of its largest
logit. Standard errors are over images: the views of one image are not independent.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass
from itertools import islice

import torch
from torch import Tensor

from symscape.audit.views import EDGES, families, packed
from symscape.errors import ConfigError, SymscapeError, check_number
from symscape.stopping import safe_point

Batches = Iterable[tuple[Tensor, Tensor | None]]
"""Pairs of normalised images (n, channels, h, w) and labels (n,), or None where there are none."""
BLOCK = 8
"""Views whose logits are reduced at once: a reduction a view would launch more work on a GPU."""


@dataclass(frozen=True)
class ImageMean:
    """The mean of N images' values and its standard error, sd / sqrt(N); NaN for one image."""

    mean: float
    error: float
    values: list[float]


@dataclass(frozen=True)
class Agreement:
    """How the answers to images under T compare with the answers to the images themselves.

    T is a flip or turn, or all moves of up to m pixels (`shift`, `roll`): V = (2m + 1)^2 views, the
    image itself among them.
    """

    agreement: ImageMean
    """Flips and turns: 1 where the answers are the same, else 0. Moves: the share of pairs of the V
    views with the same answer, sum_c (count_c / V)^2: the exact mean of random pairs, as Zhang
    (2019) draws them, with replacement."""
    variation: ImageMean
    """Total variation of the softmax p of T x from q of x: 1/2 sum_c |p_c - q_c|. Moves: the mean
    over all moves but (0, 0)."""
    kappa: float
    """Cohen's kappa between the answers to T x and to x. Moves: over the pairs of all images and
    all moves but (0, 0). NaN where one class is the answer to everything."""
    accuracy: ImageMean | None
    """1 where the answer to T x is right, else 0. Moves: the share of the V views. None without
    labels that fit the network's classes."""


@dataclass(frozen=True)
class Consistency:
    """The consistency of one network on N images."""

    images: int
    shifts: int
    """The largest move, in pixels."""
    accuracy: ImageMean | None
    """Of the images themselves."""
    views: dict[str, Agreement]
    """hflip, vflip, rot90, rot180, rot270, shift, roll; no quarter turns of oblong images."""


@dataclass(frozen=True)
class _Seen:
    """A network's answers to V views of N images."""

    answers: Tensor
    """int64 (V, N)"""
    variation: Tensor
    """float64 (N,): the mean over the views."""


@dataclass(frozen=True)
class _Batch:
    """The answers to a batch of N images, on the CPU."""

    plain: Tensor
    """int64 (N,): to the images themselves."""
    views: dict[str, _Seen]
    labels: Tensor | None


@torch.inference_mode()
def measure_consistency(
    network: Callable[[Tensor], Tensor],
    batches: Batches,
    *,
    shifts: int = 3,
    classes_fit: bool = True,
) -> Consistency:
    """Return how consistent a network's answers are, with the values of every image.

    Cost: 6 + 2 ((2 m + 1)^2 - 1) forward passes, 102 for m = 3. Memory: that of a forward pass, the
    logits of BLOCK views, and 2 (2 m + 1)^2 + 4 integers an image.

    Args:
        network: in eval mode; maps images (n, channels, h, w) to logits (n, classes).
        batches: images, all of one size, and labels; on the device of the network.
        shifts: m, the largest move in pixels.
        classes_fit: whether the labels are classes of the network; if not, accuracy is left out.

    Raises:
        ConfigError: `shifts` is below 1 or not below the sides of the images; labels that are not
            one class of the network an image.
        SymscapeError: there are no images; square ones and oblong ones; logits that are not
            (n, classes) with 2 or more classes, or that are not numbers.
    """
    check_number("shifts", shifts, at_least=1)
    parts = [
        _answer(network, packed(images), labels if classes_fit else None, shifts)
        for images, labels in batches
        if len(images)
    ]
    return _summary(_joined(parts), shifts)


def _answer(
    network: Callable[[Tensor], Tensor], images: Tensor, labels: Tensor | None, shifts: int
) -> _Batch:
    logits = _logits(network, images)
    if labels is not None:
        _check_labels(labels, *logits.shape)
        labels = labels.cpu()
    base = logits.softmax(-1)
    views = {
        name: _seen((_logits(network, view) for view in each), base)
        for name, each in families(images, shifts)
    }
    return _Batch(logits.argmax(-1).cpu(), views, labels)


def _logits(network: Callable[[Tensor], Tensor], images: Tensor) -> Tensor:
    """Return logits (n, classes), in float32 at least: a softmax in bfloat16 has two digits."""
    safe_point()
    logits = network(images)
    if logits.ndim != 2 or logits.shape[1] < 2:
        shape = "x".join(map(str, logits.shape))
        raise SymscapeError(f"network: answers of shape {shape}, allowed are (images, 2+ classes)")
    return logits.to(torch.promote_types(logits.dtype, torch.float32))


def _seen(logits: Iterator[Tensor], base: Tensor) -> _Seen:
    """Return the answers, and the distances from the softmax `base` (n, classes)."""
    answers, distances = [], []
    while block := list(islice(logits, BLOCK)):
        stacked = torch.stack(block)
        answers.append(stacked.argmax(-1))
        distances.append((stacked.softmax(-1) - base).abs().sum(-1) / 2)
    return _Seen(torch.cat(answers).cpu(), torch.cat(distances).cpu().double().mean(0))


def _check_labels(labels: Tensor, images: int, classes: int) -> None:
    if labels.shape != (images,):
        raise ConfigError("labels", tuple(labels.shape), "must be one class an image")
    low, high = labels.min().item(), labels.max().item()
    if low < 0 or high >= classes:
        value = low if low < 0 else high
        raise ConfigError("labels", value, f"the network's classes are 0 to {classes - 1}")


def _joined(parts: list[_Batch]) -> _Batch:
    """Return the answers of all batches as those of one."""
    if not parts:
        raise SymscapeError("batches: there is no image to measure consistency on")
    names = parts[0].views.keys()
    if any(part.views.keys() != names for part in parts):
        raise SymscapeError("batches: square and oblong images together, allowed is one size")
    views = {
        name: _Seen(
            torch.cat([part.views[name].answers for part in parts], dim=1),
            torch.cat([part.views[name].variation for part in parts]),
        )
        for name in names
    }
    labels = [part.labels for part in parts if part.labels is not None]
    plain = torch.cat([part.plain for part in parts])
    return _Batch(plain, views, torch.cat(labels) if len(labels) == len(parts) else None)


def _summary(batch: _Batch, shifts: int) -> Consistency:
    # Every view is compared with the same softmax: what is not a number shows in any of them.
    lost = torch.stack([seen.variation for seen in batch.views.values()]).isnan().any(0)
    if lost.any():
        raise SymscapeError(f"network: answers to {int(lost.sum())} images are not numbers")
    views = {name: _agreement(name, seen, batch) for name, seen in batch.views.items()}
    return Consistency(len(batch.plain), shifts, _accuracy(batch.plain[None], batch.labels), views)


def _agreement(name: str, seen: _Seen, batch: _Batch) -> Agreement:
    if name in EDGES:
        views = torch.cat([batch.plain[None], seen.answers])
        same = pair_agreement(views)
    else:
        views, same = seen.answers, (seen.answers[0] == batch.plain).double()
    return Agreement(
        agreement=image_mean(same),
        variation=image_mean(seen.variation),
        kappa=cohen_kappa(seen.answers, batch.plain.expand_as(seen.answers)),
        accuracy=_accuracy(views, batch.labels),
    )


def _accuracy(views: Tensor, labels: Tensor | None) -> ImageMean | None:
    return None if labels is None else image_mean((views == labels).double().mean(0))


def pair_agreement(answers: Tensor) -> Tensor:
    """Return the share of pairs of views with the same answer: float64 (N,) of answers (V, N).

    Pairs are drawn with replacement: sum_c (count_c / V)^2. Cost: V^2 N comparisons.
    """
    # Each view's count of its own answer, summed over views, is the sum of the squared counts.
    same = sum((answers == view).sum(0) for view in answers)
    return torch.as_tensor(same).double() / len(answers) ** 2


def cohen_kappa(first: Tensor, second: Tensor) -> float:
    """Return Cohen's kappa of two sets of answers of the same shape; NaN if all are one class."""
    classes, compact = torch.unique(torch.stack([first, second]), return_inverse=True)
    if len(classes) < 2:
        return math.nan
    # Some seconds, which those who need no kappa do not wait.
    from torchmetrics.functional.classification import multiclass_cohen_kappa

    # The classes that occur alone: the counts of 21,000 x 21,000 classes would be 3.5 GB.
    return multiclass_cohen_kappa(compact[0].flatten(), compact[1].flatten(), len(classes)).item()


def image_mean(values: Tensor) -> ImageMean:
    """Return the mean of values (N,) and its standard error, with n - 1 degrees of freedom."""
    count = len(values)
    error = values.std().item() / math.sqrt(count) if count > 1 else math.nan
    return ImageMean(values.mean().item(), error, values.tolist())
