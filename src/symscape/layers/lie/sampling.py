"""What a network of group convolutions draws anew at every step of a training.

From the seed and the number of the step alone, so that a resumed training repeats. Nothing is drawn
outside training.
"""

from __future__ import annotations

import math
from collections.abc import Sequence

import numpy as np
import torch
from torch import Tensor, distributed, nn

from symscape.layers.lie.norm import ranks


class Drawn(nn.Module):
    """A module that draws at every step."""

    key: tuple[int, ...] = (0, 0, 0)
    """Seed, step, and which of the network's it is."""


class Turn(Drawn):
    """By how much the grid of a network is turned, in radians.

    Args:
        step: the largest turn, one step of the grid; 0 leaves it as it is.
    """

    def __init__(self, step: float = 0.0) -> None:
        super().__init__()
        self.step = step

    @property
    def angle(self) -> float:
        """Uniform in [0, step) in training, else 0."""
        if not self.training or not self.step:
            return 0.0
        return float(np.random.default_rng(self.key).random()) * self.step


class Dropout(Drawn):
    """Sets a share p of all values to 0 and divides the others by 1 - p."""

    def __init__(self, p: float) -> None:
        super().__init__()
        self.p = p

    def forward(self, x: Tensor) -> Tensor:
        """Map x of any shape."""
        if not self.training or not self.p:
            return x
        first, count = _part(x)
        drawn = np.random.default_rng(self.key).random((count, *x.shape[1:]), dtype=np.float32)
        kept = drawn[first : first + len(x)] >= self.p
        return x * (torch.from_numpy(kept).to(x) / (1 - self.p))


def _part(x: Tensor) -> tuple[int, int]:
    """Return where this rank's part of a batch begins, and how many images the batch has."""
    if ranks() == 1:
        return 0, len(x)
    counts = torch.zeros(ranks(), dtype=torch.int64, device=x.device)
    counts[distributed.get_rank()] = len(x)
    distributed.all_reduce(counts)
    sizes = counts.tolist()
    return sum(sizes[: distributed.get_rank()]), sum(sizes)


def drawn_of(network: nn.Module) -> list[Drawn]:
    """Return what a network draws, in module order."""
    return [module for module in network.modules() if isinstance(module, Drawn)]


def draw_anew(drawn: Sequence[Drawn], seed: int, step: int) -> None:
    """Let all of them draw for a step."""
    for number, module in enumerate(drawn):
        module.key = (seed, step, number)


def step_of(rotations: int, sampling: str) -> float:
    """Return how far a grid of rotations may be turned at random."""
    return 2 * math.pi / rotations if sampling == "random" else 0.0
