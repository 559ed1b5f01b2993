"""What the functions of the library make of a network, a state dict and images.

The instruments see plain networks in eval mode: effective kernels, and none of the user's modules,
so that a training loop goes on afterwards as if nobody had looked.
"""

from __future__ import annotations

import copy
from collections.abc import Iterator
from dataclasses import dataclass

import torch
from torch import Tensor, nn

from symscape.errors import ConfigError, SymscapeError
from symscape.landscape.evaluation import State
from symscape.layers.effective import effective_network
from symscape.models.weights import fill_network


def plain_network(network: nn.Module) -> nn.Module:
    """Return a plain copy in eval mode, which shares no tensor with `network`."""
    return effective_network(network).eval()


def plain_state(network: nn.Module, state: State, side: str) -> dict[str, Tensor]:
    """Return a state dict of the plain network, from one of `network` or of the plain network.

    Args:
        network: symmetric or plain; it is left as it is.
        state: a state dict of either.
        side: what messages call it.

    Raises:
        SymscapeError: it is of another architecture, or not finite; the first key is named.
    """
    own = network.state_dict().keys()
    plain = effective_network(network)
    if state.keys() == own and own != plain.state_dict().keys():
        constrained = copy.deepcopy(network)
        fill_network(constrained, state, side)
        return effective_network(constrained).state_dict()
    fill_network(plain, state, side)
    return plain.state_dict()


@dataclass(frozen=True)
class Slices:
    """Images and labels in batches, each moved to the network's device and type."""

    network: nn.Module
    images: Tensor
    labels: Tensor
    size: int

    def __iter__(self) -> Iterator[tuple[Tensor, Tensor]]:
        like = next(self.network.parameters())
        for low in range(0, len(self.images), self.size):
            x, y = self.images[low : low + self.size], self.labels[low : low + self.size]
            yield x.to(like.device, like.dtype), y.to(like.device)


def batches(
    network: nn.Module, images: Tensor, labels: Tensor | None = None, size: int = 500
) -> Slices:
    """Return images, and labels if there are any, in batches.

    Args:
        network: a plain one; decides device and type.
        images: (N, C, H, W), as the network was trained on: floating, normalised.
        labels: (N,) classes, or (N, H, W) for a class a pixel.
        size: images a batch.

    Raises:
        SymscapeError: they do not fit each other, or not what the network answers.
    """
    if not images.is_floating_point():
        raise ConfigError("images", images.dtype, "must be floating, normalised as for training")
    if images.ndim != 4 or not len(images):
        raise ConfigError("images", tuple(images.shape), "must be (N, C, H, W), one or more")
    if labels is None:
        return Slices(network, images, torch.zeros(len(images), dtype=torch.int64), size)
    if labels.is_floating_point() or len(labels) != len(images):
        shape = f"{labels.dtype} {tuple(labels.shape)}"
        raise ConfigError("labels", shape, f"must be classes, one for each of {len(images)} images")
    found = Slices(network, images, labels, size)
    _check_answer(network, found)
    return found


@torch.no_grad()
def _check_answer(network: nn.Module, slices: Slices) -> None:
    """Raise SymscapeError unless the network answers two images with logits for all labels."""
    x, _ = next(iter(Slices(network, slices.images[:2], slices.labels[:2], 2)))
    logits = network(x)
    if not isinstance(logits, Tensor):
        raise SymscapeError(f"network: returns {type(logits).__name__}, no tensor of logits")
    labels = slices.labels
    if logits.ndim != labels.ndim + 1:
        shapes = f"{tuple(logits.shape)} for labels {tuple(labels.shape)}"
        raise SymscapeError(f"network: returns logits {shapes}")
    low, high = int(labels.min()), int(labels.max())
    if low < 0 or high >= logits.shape[1]:
        value = low if low < 0 else high
        raise ConfigError("labels", value, f"the network's classes are 0 to {logits.shape[1] - 1}")
