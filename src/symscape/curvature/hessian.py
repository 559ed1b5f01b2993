"""Products with the Hessian of the mean loss over a fixed set of images.

Pearlmutter 1994: H v is the gradient of (gradient . v). The graph of the first gradient does not
depend on v, so it is kept where memory allows: a product then costs about two gradients more than
nothing, against three more where the graph is made again. Vectors are flat, (n,), over all
parameters in the order of `network.parameters()`.
"""

from __future__ import annotations

import os
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import TypeVar

import torch
from torch import Tensor, nn
from torch.nn import functional

from symscape.curvature.rewriting import second_derivatives, twice_differentiable
from symscape.layers.folding.ties import Labels
from symscape.stopping import safe_point

Result = TypeVar("Result")
MICRO_BATCH = 256
MEMORY_SHARE = 0.6
"""Of the free memory of the device: the most that kept graphs may take."""


def cross_entropy(outputs: Tensor, labels: Tensor) -> Tensor:
    """Return the summed cross-entropy."""
    return functional.cross_entropy(outputs, labels, reduction="sum")


@dataclass(frozen=True)
class _Graph:
    """The gradient of one micro-batch, differentiable once more."""

    gradient: tuple[Tensor, ...]
    bytes: int


class Hessian:
    """The Hessian of the mean loss with respect to all parameters of a network in eval mode.

    Sums run over micro-batches and are divided by the number of all images, so ragged micro-batches
    are exact and the results do not depend on their size, up to rounding.

    Args:
        network: Plain, in eval mode; in eval mode BatchNorm is an affine map, so the loss is a sum
            over images.
        images: (N, C, H, W), resident where the network is.
        labels: (N,).
        loss: Sum over a batch of the loss of (outputs, labels).
        micro_batch: Images at once.
        keep: Bytes that kept graphs may take; None: a share of what is free now.
        tied: The orbit of each tap of some convolutions, by name, where only P H P v is asked for,
            with P the projection to kernels of equal taps: those that fold then cost less.
    """

    def __init__(
        self,
        network: nn.Module,
        images: Tensor,
        labels: Tensor,
        *,
        loss: Callable[[Tensor, Tensor], Tensor] = cross_entropy,
        micro_batch: int = MICRO_BATCH,
        keep: int | None = None,
        tied: Mapping[str, Labels] | None = None,
    ) -> None:
        if network.training:
            raise ValueError("network: must be in eval mode: else the loss is no sum over images")
        self.network, self.images, self.labels, self.loss = network, images, labels, loss
        self.forward = twice_differentiable(network, tied)
        """The same function, cheaper to differentiate twice."""
        self.parameters = [p for p in network.parameters() if p.requires_grad]
        self.dimension = sum(p.numel() for p in self.parameters)
        self.micro_batch = min(micro_batch, len(labels))
        self.keep = int(MEMORY_SHARE * free_memory(images.device)) if keep is None else keep
        self.products = 0
        self._kept: list[_Graph] | None = None

    @property
    def _count(self) -> int:
        """What the loss is the mean over: images, or pixels where each has a class."""
        classes = not self.labels.is_floating_point()
        return self.labels.numel() if classes else len(self.labels)

    @property
    def kept_share(self) -> float:
        """The share of the images whose graph is kept."""
        kept = len(self._kept or ()) * self.micro_batch
        return min(1.0, kept / len(self.labels))

    def product(self, vector: Tensor) -> Tensor:
        """Return H v, (n,).

        Cost: two gradients with the graph kept, three without, by multiplications.
        """
        self.products += 1
        return self._retried(lambda: self._product(vector))

    def _product(self, vector: Tensor) -> Tensor:
        directions = self.split(vector)
        graphs = self._graphs()
        total = torch.zeros_like(vector)
        for graph in graphs:
            safe_point()
            total += self._flat(self._differentiate(graph.gradient, directions, retain=True))
        for x, y in self._batches(len(graphs)):
            gradient = self._gradient(x, y, again=True)
            total += self._flat(self._differentiate(gradient, directions, retain=False))
        return total

    def gradient(self) -> tuple[Tensor, float]:
        """Return the gradient, (n,), and the mean loss."""
        return self._retried(self._whole_gradient)

    def _whole_gradient(self) -> tuple[Tensor, float]:
        total = torch.zeros(self.dimension, device=self.images.device, dtype=self.dtype)
        loss = torch.zeros((), device=self.images.device, dtype=torch.float64)
        for x, y in self._batches():
            part = self.loss(self._forward(x), y) / self._count
            total += self._flat(self._first(part, again=False))
            loss += part.detach().double()
        return total, float(loss)

    @torch.no_grad()
    def mean_loss(self) -> float:
        """Return the mean loss alone: a forward pass."""
        sums = [self.loss(self._forward(x), y).double() for x, y in self._batches()]
        return float(torch.stack(sums).sum() / self._count)

    @property
    def dtype(self) -> torch.dtype:
        """The type of vectors."""
        return self.parameters[0].dtype

    def point(self) -> Tensor:
        """Return a copy of the parameters, (n,)."""
        return self._flat([p.detach() for p in self.parameters]).clone()

    @torch.no_grad()
    def move_to(self, point: Tensor) -> None:
        """Set the parameters; kept graphs belong to the old ones and are dropped."""
        self._kept = None
        for parameter, values in zip(self.parameters, self.split(point), strict=True):
            parameter.copy_(values)

    def split(self, vector: Tensor) -> list[Tensor]:
        """View a flat vector as one tensor a parameter."""
        parts = torch.split(vector, [p.numel() for p in self.parameters])
        return [part.view(p.shape) for part, p in zip(parts, self.parameters, strict=True)]

    @staticmethod
    def _flat(tensors: Sequence[Tensor]) -> Tensor:
        return torch.cat([tensor.reshape(-1) for tensor in tensors])

    def _batches(self, skip: int = 0) -> Iterator[tuple[Tensor, Tensor]]:
        for low in range(skip * self.micro_batch, len(self.labels), self.micro_batch):
            safe_point()
            high = low + self.micro_batch
            yield self.images[low:high], self.labels[low:high]

    def _gradient(self, x: Tensor, y: Tensor, *, again: bool) -> tuple[Tensor, ...]:
        part = self.loss(self._forward(x), y) / self._count
        return self._first(part, again=again)

    def _first(self, loss: Tensor, *, again: bool) -> tuple[Tensor, ...]:
        """Return the gradient, zero by parameters that are not used: of a second head, say."""
        return torch.autograd.grad(
            loss, self.parameters, create_graph=again, allow_unused=True, materialize_grads=True
        )

    def _differentiate(
        self, gradient: tuple[Tensor, ...], directions: list[Tensor], *, retain: bool
    ) -> tuple[Tensor, ...]:
        # A gradient that does not depend on the parameters (of a linear loss) has no graph.
        pairs = [(g, d) for g, d in zip(gradient, directions, strict=True) if g.requires_grad]
        outputs, weights = [g for g, _ in pairs], [d for _, d in pairs]
        return torch.autograd.grad(
            outputs,
            self.parameters,
            weights,
            retain_graph=retain,
            allow_unused=True,
            materialize_grads=True,
        )

    def _forward(self, x: Tensor) -> Tensor:
        with second_derivatives():
            outputs: Tensor = self.forward(x)
        return outputs

    def _graphs(self) -> list[_Graph]:
        """Return the graphs that are kept: as many as memory has room for, made once."""
        if self._kept is None:
            self._kept = []
            room = self.keep
            for x, y in self._batches():
                if self._kept and self._kept[-1].bytes > room:
                    break
                graph = self._measured(x, y)
                if graph.bytes > room:
                    break
                self._kept.append(graph)
                room -= graph.bytes
        return self._kept

    def _measured(self, x: Tensor, y: Tensor) -> _Graph:
        """Return a graph and the bytes of all tensors that it holds."""
        storages: dict[int, int] = {}

        def count(tensor: Tensor) -> Tensor:
            storage = tensor.untyped_storage()
            storages[storage.data_ptr()] = storage.nbytes()
            return tensor.detach()  # With its history, an output would keep its own graph alive.

        with torch.autograd.graph.saved_tensors_hooks(count, lambda tensor: tensor):
            gradient = self._gradient(x, y, again=True)
        return _Graph(gradient, sum(storages.values()))

    def _retried(self, work: Callable[[], Result]) -> Result:
        """Work; where a GPU has too little memory, forget the graphs, then halve the batch."""
        while True:
            try:
                return work()
            except torch.OutOfMemoryError:
                if self._kept:
                    self.keep //= 2
                elif self.micro_batch > 1:
                    self.micro_batch = -(-self.micro_batch // 2)
                else:
                    raise
                self._kept = None
                torch.cuda.empty_cache()


def free_memory(device: torch.device) -> int:
    """Return the bytes that are free on a device."""
    if device.type == "cuda":
        return int(torch.cuda.mem_get_info(device)[0])
    try:
        return os.sysconf("SC_AVPHYS_PAGES") * os.sysconf("SC_PAGE_SIZE")
    except (ValueError, OSError):  # Not every system tells.
        return 4 << 30
