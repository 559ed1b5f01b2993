"""How consistent the classes of pixels are when images are flipped, turned and moved.

An answer is a class for each pixel: that of a moved image is moved back before it is compared, on
the pixels that both show. Means and standard errors are over images. N: images, C: classes.
"""

from __future__ import annotations

import math
from collections import defaultdict
from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass

import torch
from torch import Tensor

from symscape.audit.consistency import Agreement, ImageMean, image_mean
from symscape.audit.views import EDGES, moved, moves, packed, turned, turns
from symscape.errors import SymscapeError, check_number
from symscape.stopping import safe_point
from symscape.symmetry.consistency import INVERSES
from symscape.symmetry.groups import ELEMENTS

BORDER = 8
"""Pixels from an edge up to which a pixel is near the border."""

DenseBatches = Iterable[tuple[Tensor, Tensor]]
"""Pairs of normalised images (n, channels, h, w) and classes of their pixels (n, h, w)."""
Back = Callable[[Tensor], Tensor]
"""Takes maps (n, h, w) back to where the images were."""


@dataclass(frozen=True)
class DenseAgreement(Agreement):
    """How the classes of moved images compare, moved back; shares are of pixels, not of images."""

    border: ImageMean
    """`agreement` within BORDER pixels of an edge."""
    miou: float
    """The mean over classes of intersection over union with the truth."""


@dataclass(frozen=True)
class DenseConsistency:
    """The consistency of one network on N images; fields as of `Consistency`."""

    images: int
    shifts: int
    accuracy: ImageMean
    miou: float
    views: dict[str, DenseAgreement]


class _Sums:
    """What is gathered of one view."""

    def __init__(self, classes: int, device: torch.device) -> None:
        # Some seconds, which those who need no kappa do not wait.
        from torchmetrics.classification import MulticlassCohenKappa

        self.same: list[Tensor] = []
        self.border: list[Tensor] = []
        self.variation: list[Tensor] = []
        self.right: list[Tensor] = []
        self.truth = torch.zeros(classes, classes, dtype=torch.int64)
        self.kappa = MulticlassCohenKappa(classes, validate_args=False).to(device)

    def agreement(self) -> DenseAgreement:
        """Return the means."""
        return DenseAgreement(
            agreement=image_mean(torch.cat(self.same)),
            variation=image_mean(torch.cat(self.variation)),
            kappa=self.kappa.compute().item(),
            accuracy=image_mean(torch.cat(self.right)),
            border=image_mean(torch.cat(self.border)),
            miou=mean_iou(self.truth),
        )


@torch.inference_mode()
def measure_dense_consistency(
    network: Callable[[Tensor], Tensor], batches: DenseBatches, *, shifts: int = 3
) -> DenseConsistency:
    """Return how consistent a segmentation is, with the values of every image.

    For shifts and rolls, the mean over all moves but (0, 0) of what is true of each.

    Cost: 6 + 2 ((2 m + 1)^2 - 1) forward passes.

    Args:
        network: in eval mode; maps images (n, channels, h, w) to logits (n, classes, h, w).
        batches: images and the classes of their pixels; on the device of the network.
        shifts: m, the largest move in pixels.

    Raises:
        ConfigError: `shifts` is below 1 or not below the sides of the images.
        SymscapeError: there are no images, or logits are not as said.
    """
    check_number("shifts", shifts, at_least=1)
    views: dict[str, _Sums] = {}
    plain: list[Tensor] = []
    truth: Tensor | None = None
    for images, labels in batches:
        images = packed(images)
        base = _probabilities(network, images)
        answer, classes = base.argmax(1), base.shape[1]
        plain.append((answer == labels).double().flatten(1).mean(1).cpu())
        counts = confusion(answer, labels, classes)
        truth = counts if truth is None else truth + counts
        for name, each in _families(images, shifts):
            sums = views.setdefault(name, _Sums(classes, base.device))
            _gather(sums, network, each, base, labels)
    if truth is None:
        raise SymscapeError("batches: there is no image to measure consistency on")
    found = {name: sums.agreement() for name, sums in views.items()}
    accuracy = image_mean(torch.cat(plain))
    return DenseConsistency(len(accuracy.values), shifts, accuracy, mean_iou(truth), found)


def _gather(
    sums: _Sums,
    network: Callable[[Tensor], Tensor],
    views: Iterator[tuple[Tensor, Back, tuple[slice, slice]]],
    base: Tensor,
    labels: Tensor,
) -> None:
    """Add what a family of views of one batch says."""
    parts: dict[str, list[Tensor]] = defaultdict(list)
    answer, classes = base.argmax(1), base.shape[1]
    near = _border(base)
    for view, back, shown in views:
        there = back(_probabilities(network, view))[..., *shown]
        here, own, truth = base[..., *shown], answer[:, *shown], labels[:, *shown]
        seen = there.argmax(1)
        same, edge = (seen == own).double(), near[*shown]
        parts["same"].append(same.flatten(1).mean(1))
        parts["border"].append((same * edge).sum((1, 2)) / edge.sum())
        distance = (there - here).abs().sum(1) / 2
        parts["variation"].append(distance.double().flatten(1).mean(1))
        parts["right"].append((seen == truth).double().flatten(1).mean(1))
        sums.truth += confusion(seen, truth, classes)
        sums.kappa.update(seen, own)
    for name, each in parts.items():
        getattr(sums, name).append(torch.stack(each).mean(0).cpu())


def _probabilities(network: Callable[[Tensor], Tensor], images: Tensor) -> Tensor:
    safe_point()
    logits = network(images)
    if logits.ndim != 4 or logits.shape[1] < 2 or logits.shape[2:] != images.shape[2:]:
        shape = "x".join(map(str, logits.shape))
        allowed = "(images, 2+ classes, rows, columns)"
        raise SymscapeError(f"network: answers of shape {shape}, allowed are {allowed}")
    return logits.to(torch.promote_types(logits.dtype, torch.float32)).softmax(1)


def _families(
    images: Tensor, shifts: int
) -> Iterator[tuple[str, Iterator[tuple[Tensor, Back, tuple[slice, slice]]]]]:
    """Yield (name, its views), each with its way back and the pixels that both images show."""
    whole = (slice(None), slice(None))
    for name in turns(images):
        back = ELEMENTS[INVERSES.get(name, name)]
        yield name, iter([(turned(images, name), back, whole)])
    for name, edge in EDGES.items():
        yield name, _moves(images, shifts, edge)


def _moves(
    images: Tensor, shifts: int, edge: str
) -> Iterator[tuple[Tensor, Back, tuple[slice, slice]]]:
    for view, (dy, dx) in zip(moved(images, shifts, edge), moves(shifts), strict=True):

        def back(maps: Tensor, dy: int = dy, dx: int = dx) -> Tensor:
            return maps.roll((-dy, -dx), (-2, -1))

        # A shift takes pixels out of the image; a roll brings them back on its other side.
        rolled = edge == "circular"
        shown = (slice(None), slice(None)) if rolled else (_kept(dy), _kept(dx))
        yield view, back, shown


def _kept(by: int) -> slice:
    """Return the pixels of an axis that are still in the image when it moves."""
    return slice(-by, None) if by < 0 else slice(None, -by or None)


def _border(maps: Tensor) -> Tensor:
    """Return 1 near an edge and 0 elsewhere, (h, w)."""
    near = torch.ones(maps.shape[-2:], dtype=torch.float64, device=maps.device)
    near[BORDER:-BORDER, BORDER:-BORDER] = 0
    return near


def confusion(answers: Tensor, truth: Tensor, classes: int) -> Tensor:
    """Return how many pixels of each true class (rows) have each answer: int64 (C, C)."""
    pairs = truth.long() * classes + answers
    return torch.bincount(pairs.flatten(), minlength=classes**2).view(classes, classes).cpu()


def mean_iou(counts: Tensor) -> float:
    """Return the mean over classes of intersection over union; classes that never occur left out.

    Args:
        counts: (C, C), of `confusion`.
    """
    both = counts.diagonal().double()
    either = counts.sum(0) + counts.sum(1) - counts.diagonal()
    known = either > 0
    return (both[known] / either[known]).mean().item() if bool(known.any()) else math.nan
