"""The geometry of the path that training took through weight space.

Everything follows from the inner products of the kept weights, so each pair of them is read once.
T: kept states, in the order of training.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass

import torch
from torch import Tensor

from symscape.landscape.batchnorm import STATISTICS
from symscape.landscape.evaluation import State
from symscape.stopping import safe_point

BLOCK = 1 << 22


@dataclass(frozen=True)
class Geometry:
    """Lengths are Euclidean, over all trained weights of the effective network."""

    distance: list[float]
    """(T,): from the first state."""
    path_length: float
    """Of the polygon through the kept states: a lower bound of the path's length."""
    displacement: float
    """From the first state to the last."""
    angles: list[float]
    """(T - 2,) degrees between successive steps; nan beside a step of length 0."""
    shares: list[float]
    """(2,): of the variance of the states, carried by their two leading principal components."""
    coordinates: list[list[float]]
    """(T, 2): the states on the plane of these components, from their mean."""
    components: list[list[float]]
    """(2, T): unit vectors of the plane as sums of the centred states with these factors."""

    @property
    def ratio(self) -> float:
        """Path length over displacement: 1 for a straight path."""
        return self.path_length / self.displacement if self.displacement else math.nan


def geometry(states: Sequence[State]) -> Geometry:
    """Return lengths, angles and principal components of a path of at least two states.

    Cost: T (T + 1) / 2 inner products of the weights, in float64.
    """
    if len(states) < 2:
        raise ValueError(f"states: {len(states)}; a path needs two")
    gram = _gram(states)
    steps = _centred(gram, _differences(len(states)))
    from_start = (gram.diagonal() - 2 * gram[0] + gram[0, 0]).clamp(min=0).sqrt()
    lengths = steps.diagonal().clamp(min=0).sqrt()
    cosines = steps.diagonal(1) / (lengths[1:] * lengths[:-1])
    components, values, total = _principal(gram)
    centred = _centred(gram, _centring(len(states)))
    return Geometry(
        distance=from_start.tolist(),
        path_length=lengths.sum().item(),
        displacement=from_start[-1].item(),
        angles=cosines.clamp(-1, 1).arccos().rad2deg().tolist(),
        shares=[(v / total).item() if total > 0 else math.nan for v in values],
        coordinates=(components @ centred).T.tolist(),
        components=components.tolist(),
    )


def _gram(states: Sequence[State]) -> Tensor:
    """Return the inner products (T, T) of the trained weights, in float64."""
    names = [
        n for n, t in states[0].items() if t.is_floating_point() and not n.endswith(STATISTICS)
    ]
    gram = torch.zeros(len(states), len(states), dtype=torch.float64)
    for name in names:
        safe_point()
        # Less the first state: all are near each other, and their differences are what counts.
        rows = torch.stack([(s[name] - states[0][name]).flatten().cpu() for s in states])
        for part in torch.split(rows, max(1, BLOCK // len(states)), dim=1):
            gram += part.double() @ part.double().T
    return gram


def _differences(count: int) -> Tensor:
    """Return (T - 1, T): the steps as sums of states."""
    eye = torch.eye(count, dtype=torch.float64)
    return eye[1:] - eye[:-1]


def _centring(count: int) -> Tensor:
    return torch.eye(count, dtype=torch.float64) - 1 / count


def _centred(gram: Tensor, combinations: Tensor) -> Tensor:
    """Return the inner products of linear combinations of the states."""
    return combinations @ gram @ combinations.T


def _principal(gram: Tensor) -> tuple[Tensor, Tensor, Tensor]:
    """Return factors (2, T), the two leading eigenvalues, and the sum of all.

    Kernel PCA (Scholkopf et al. 1998): the eigenvectors of the centred Gram matrix, divided by the
    root of their eigenvalue, are the factors of unit vectors.
    """
    values, vectors = torch.linalg.eigh(_centred(gram, _centring(len(gram))))
    values = values.clamp(min=0)
    leading = values[-2:].flip(0)
    roots = leading.sqrt()
    factors = vectors[:, -2:].flip(1).T / torch.where(roots > 0, roots, torch.inf)[:, None]
    # The sign of an eigenvector is free: the path ends at the right and the top.
    last = factors @ _centred(gram, _centring(len(gram)))[:, -1]
    return factors * torch.where(last < 0, -1.0, 1.0)[:, None], leading, values.sum()


def combine(states: Sequence[State], factors: Sequence[float]) -> dict[str, Tensor]:
    """Return sum_t factors[t] states[t] of all floating tensors; others are the last state's."""
    mixed = dict(states[-1])
    for name, tensor in states[-1].items():
        safe_point()
        if tensor.is_floating_point():
            stack = torch.stack([s[name] for s in states])
            weights = torch.tensor(factors, dtype=torch.float64).to(stack)
            mixed[name] = torch.tensordot(weights, stack, 1)
    return mixed


@dataclass(frozen=True)
class Plane:
    """A plane through weight space: mean + x first + y second."""

    mean: State
    first: State
    second: State

    def at(self, x: float, y: float) -> dict[str, Tensor]:
        """Return the state at (x, y), float tensors only mixed."""
        return {
            name: tensor + x * self.first[name] + y * self.second[name]
            if tensor.is_floating_point()
            else tensor
            for name, tensor in self.mean.items()
        }


def principal_plane(states: Sequence[State], shape: Geometry) -> Plane:
    """Return the plane of the two leading principal components of a path."""
    count = len(states)
    mean = combine(states, [1 / count] * count)
    # Factors belong to centred states: taken off the mean, they belong to the states themselves.
    factors = (torch.tensor(shape.components, dtype=torch.float64) @ _centring(count)).tolist()
    return Plane(mean, combine(states, factors[0]), combine(states, factors[1]))


def plane_grid(
    shape: Geometry, points: int, margin: float = 0.25
) -> tuple[list[float], list[float]]:
    """Return x and y of a grid around the path, wider than it by `margin` on each side."""
    axes: list[list[float]] = []
    for values in torch.tensor(shape.coordinates, dtype=torch.float64).T:
        low, high = values.min().item(), values.max().item()
        room = margin * max(high - low, 1e-3 * shape.displacement)
        axes.append(torch.linspace(low - room, high + room, points, dtype=torch.float64).tolist())
    return axes[0], axes[1]
