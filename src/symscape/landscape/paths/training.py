"""Training the middle of a path, so that the loss is low along all of it.

Each step looks at one point of the path, drawn uniformly, on one batch (Garipov et al. 2018). The
middle starts halfway between the ends, where the path is the straight line.
"""

from __future__ import annotations

import math
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from typing import Protocol

import numpy as np
import torch
from torch import Tensor, nn
from torch.nn import functional

from symscape.landscape.batchnorm import batch_norms
from symscape.landscape.evaluation import State
from symscape.landscape.paths.bend import SHAPES, Bend
from symscape.layers.bases import Basis


class PathError(ValueError):
    """The training of a path came to nothing."""


class EpochBatches(Protocol):
    """The batches of one epoch: pairs of images (n, c, h, w) and labels."""

    def __len__(self) -> int:
        """Return their number."""
        ...

    def __iter__(self) -> Iterator[tuple[Tensor, Tensor]]:
        """Yield them."""
        ...


@dataclass(frozen=True)
class Recipe:
    """How a middle is trained: SGD with momentum, the rate falling to 0 along half a cosine."""

    epochs: int
    lr: float
    momentum: float = 0.9
    weight_decay: float = 0.0
    """Of the point of the path that a step looks at, as in Garipov et al. 2018."""
    seed: int = 0
    """Of the points that are looked at."""


@dataclass
class Progress:
    """A training after some whole epochs; one that goes on from there comes to the same bits."""

    middle: dict[str, Tensor]
    """The middle's coordinates by parameter: (rows, d) where it has a basis, else its shape."""
    momentum: dict[str, Tensor] = field(default_factory=dict)
    """The optimiser's mean of the gradients; empty at the start."""
    losses: list[float] = field(default_factory=list)
    """Mean cross-entropy at the points of each epoch."""


class MiddleTraining:
    """Trains the middle of a path between A and B.

    Memory: some seven networks. Cost of a step: that of training the network on the batch.

    Args:
        network: plain, where it computes; its weights are overwritten, and its forward pass decides
            the precision. Norms see the statistics of each batch; nothing else is in train mode.
        shape: of the path.
        a: state dict at 0.
        b: state dict at 1.
        recipe: how to train.
        bases: of parameters that stay in a space, in which those of A and B lie already. By
            orthonormal coordinates, so a step is that of projected SGD.
    """

    def __init__(
        self,
        network: nn.Module,
        shape: str,
        a: State,
        b: State,
        recipe: Recipe,
        bases: Mapping[str, Basis] | None = None,
    ) -> None:
        self.network, self.shape, self.a, self.b, self.recipe = network, shape, a, b, recipe
        self.parameters = dict(network.named_parameters())
        for parameter in self.parameters.values():
            parameter.requires_grad_(True)
        own = bases or {}
        self.bases = {name: own[name].to(p) for name, p in self.parameters.items() if name in own}
        halfway = {n: torch.lerp(a[n].to(p), b[n].to(p), 0.5) for n, p in self.parameters.items()}
        self.progress = Progress({n: self._restrict(n, m) for n, m in halfway.items()})
        self.optimizer = self._optimizer()

    def resume(self, progress: Progress) -> None:
        """Go on from what an earlier training with the same arguments came to."""
        # Into tensors that lie in memory as those of a training from the start do: the last bit of
        # a sum may depend on that.
        self.optimizer = self._optimizer()
        self.progress.losses = list(progress.losses)
        for name, z in self.progress.middle.items():
            z.copy_(progress.middle[name])
        for name, momentum in progress.momentum.items():
            z = self.progress.middle[name]
            self.optimizer.state[z]["momentum_buffer"] = torch.empty_like(z).copy_(momentum)
        self._note_momentum()

    def bend(self) -> Bend:
        """Return the path as it is now."""
        middle = {name: self._lift(name, z) for name, z in self.progress.middle.items()}
        return Bend(self.shape, self.a, middle, self.b)

    def epoch(self, batches: EpochBatches) -> None:
        """Take a step a batch.

        Raises:
            PathError: the loss is not finite.
        """
        self.network.eval()
        for norm in batch_norms(self.network):
            norm.train()
        try:
            mean = self._steps(batches)
        finally:
            self.network.eval()
        epoch = len(self.progress.losses) + 1
        if not math.isfinite(mean):
            raise PathError(f"the loss in epoch {epoch} is {mean}")
        self.progress.losses.append(mean)
        self._note_momentum()

    def _note_momentum(self) -> None:
        states = {name: self.optimizer.state[z] for name, z in self.progress.middle.items()}
        key = "momentum_buffer"
        self.progress.momentum = {n: state[key] for n, state in states.items() if key in state}

    def _steps(self, batches: EpochBatches) -> float:
        """Take the steps of an epoch; return the mean loss."""
        epoch, count = len(self.progress.losses), len(batches)
        # Of (seed, epoch) alone, so an epoch can be the first one of a process.
        ts = np.random.default_rng((self.recipe.seed, epoch)).random(count).tolist()
        total, seen = torch.zeros((), dtype=torch.float64), 0
        for step, (images, labels) in enumerate(batches):
            self._set_rate((epoch + step / count) / self.recipe.epochs)
            loss = self._step(images, labels, ts[step])
            total = total.to(loss.device) + loss * len(labels)
            seen += len(labels)
        return float(total) / max(1, seen)

    def _step(self, images: Tensor, labels: Tensor, t: float) -> Tensor:
        """Take a step at t; return the loss, detached, float64."""
        self.bend().fill(self.parameters, t)
        loss = self._loss(images, labels)
        gradients = torch.autograd.grad(loss, list(self.parameters.values()))
        pull = SHAPES[self.shape](t)[1]
        with torch.no_grad():
            for (name, parameter), gradient in zip(self.parameters.items(), gradients, strict=True):
                whole = gradient.add(parameter, alpha=self.recipe.weight_decay)
                z = self.progress.middle[name]
                z.grad = torch.empty_like(z).copy_(self._restrict(name, whole)).mul_(pull)
        self.optimizer.step()
        return loss.detach().double()

    def _loss(self, images: Tensor, labels: Tensor) -> Tensor:
        logits = self.network(images)
        logits = logits.to(torch.promote_types(logits.dtype, torch.float32))
        return functional.cross_entropy(logits, labels)

    def _set_rate(self, share: float) -> None:
        """Set the learning rate after this share of the training."""
        for group in self.optimizer.param_groups:
            group["lr"] = self.recipe.lr * (1 + math.cos(math.pi * share)) / 2

    def _optimizer(self) -> torch.optim.SGD:
        recipe = self.recipe
        return torch.optim.SGD(
            list(self.progress.middle.values()), lr=recipe.lr, momentum=recipe.momentum
        )

    def _restrict(self, name: str, tensor: Tensor) -> Tensor:
        basis = self.bases.get(name)
        return tensor.clone() if basis is None else basis.restrict(tensor.reshape(-1))

    def _lift(self, name: str, z: Tensor) -> Tensor:
        basis, like = self.bases.get(name), self.parameters[name]
        return z if basis is None else basis.lift(z).view(like.shape)
