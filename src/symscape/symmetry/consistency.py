"""How much a network's output changes when its input is flipped or turned."""

from __future__ import annotations

from collections.abc import Callable, Iterable

import torch
from torch import Tensor

from symscape.symmetry.groups import ELEMENTS, SWAPS_AXES

TRANSFORMS = ("hflip", "vflip", "rot90", "rot180", "rot270")


@torch.no_grad()
def output_change(
    network: Callable[[Tensor], Tensor], batches: Iterable[Tensor]
) -> dict[str, float]:
    """Return, for each flip and quarter turn T, the relative change of the logits.

    sqrt( sum_x ||f(T x) - f(x)||^2 / sum_x ||f(x)||^2 ) over all images x: 0 for an invariant
    network. Images that are not square have no quarter turns.

    Args:
        network: maps images (n, c, h, w) to logits (n, classes), or (n, classes, h, w), which are
            flipped and turned back; in eval mode.
        batches: batches of images; six forward passes each.
    """
    changes: dict[str, Tensor] = {}
    total = torch.zeros((), dtype=torch.float64)
    for images in batches:
        square = images.shape[-1] == images.shape[-2]
        logits = network(images).double()
        total = total.to(logits.device) + logits.square().sum()
        for name in (t for t in TRANSFORMS if square or t not in SWAPS_AXES):
            moved = ELEMENTS[name](images).contiguous(memory_format=torch.channels_last)
            change = (_back(name, network(moved)).double() - logits).square().sum()
            changes[name] = changes.get(name, torch.zeros_like(total)) + change
    return {name: (change / total).sqrt().item() for name, change in changes.items()}


def _back(name: str, logits: Tensor) -> Tensor:
    """Return the logits of pixels where these were before the move."""
    return ELEMENTS[INVERSES.get(name, name)](logits) if logits.ndim == 4 else logits


INVERSES = {"rot90": "rot270", "rot270": "rot90"}
"""Of the elements that are not their own."""
