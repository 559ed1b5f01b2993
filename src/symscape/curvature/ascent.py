"""Sharpness without eigenvalues: how far the loss rises around a point."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass

import torch
from torch import Tensor

from symscape.curvature.hessian import Hessian
from symscape.curvature.subspaces import Restricted

Tick = Callable[[], None]


@dataclass(frozen=True)
class RandomAscent:
    """L(theta + eps n) - L(theta) over Gaussian directions n, for each eps."""

    epsilons: list[float]
    mean: list[float]
    largest: list[float]
    standard_error: list[float]
    draws: int


@dataclass(frozen=True)
class WorstCase:
    """max L(theta + delta) - L(theta) over ||delta|| <= rho, as far as ascent found it."""

    radius: float
    rise: float
    """A lower bound of the maximum: what the best start reached."""
    starts: list[float]
    """What each start reached."""
    steps: int


def random_ascent(
    hessian: Hessian,
    space: Restricted,
    epsilons: Sequence[float],
    *,
    draws: int = 25,
    seed: int = 0,
    tick: Tick = lambda: None,
) -> RandomAscent:
    """Return the rise of the loss along random directions of a subspace, scaled as it is.

    Cost: a forward pass a draw and epsilon. The point is left as it was.

    Args:
        hessian: the loss, at its point.
        space: coordinates in which n is standard normal.
        epsilons: sizes of the steps.
        draws: directions, the same ones for every epsilon.
        seed: of the directions.
        tick: called after every forward pass.
    """
    point, base = hessian.point(), hessian.mean_loss()
    rises = torch.empty(len(epsilons), draws, dtype=torch.float64)
    for draw in range(draws):
        direction = space.lift(_normal(space, point, seed * 10_000 + draw))
        for i, epsilon in enumerate(epsilons):
            hessian.move_to(point + epsilon * direction)
            rises[i, draw] = hessian.mean_loss() - base
            tick()
    hessian.move_to(point)
    return RandomAscent(
        epsilons=list(epsilons),
        mean=rises.mean(1).tolist(),
        largest=rises.amax(1).tolist(),
        standard_error=(rises.std(1) / draws**0.5).tolist(),
        draws=draws,
    )


def worst_case(
    hessian: Hessian,
    space: Restricted,
    radius: float,
    *,
    steps: int = 20,
    starts: int = 3,
    seed: int = 0,
    tick: Tick = lambda: None,
) -> WorstCase:
    """Return the largest rise within a ball, by projected gradient ascent from random starts.

    Foret et al. 2021 for a plain ball; Kwon et al. 2021 for an adaptive one, which is a ball in the
    coordinates of a scaled `space`. A step takes a third of the radius along the gradient. The
    ascent is not concave: the result is a lower bound, and `starts` tells how much starts differ.

    Cost: starts x (steps + 1) gradients. The point is left as it was.
    """
    point = hessian.point()
    base = hessian.mean_loss()
    reached = []
    for start in range(starts):
        z = _normal(space, point, seed * 10_000 + start)
        z = 0.1 * radius * z / z.norm()
        best = 0.0
        for step in range(steps + 1):
            hessian.move_to(point + space.lift(z))
            gradient, loss = hessian.gradient()
            best = max(best, loss - base)
            tick()
            uphill = space.restrict(gradient)
            if step == steps or not uphill.norm() > 0:
                break
            z = z + radius / 3 * uphill / uphill.norm()
            z = z * min(1.0, radius / z.norm().item())
        reached.append(best)
    hessian.move_to(point)
    return WorstCase(radius, max(reached), reached, steps)


def _normal(space: Restricted, like: Tensor, seed: int) -> Tensor:
    generator = torch.Generator().manual_seed(seed)
    return torch.randn(space.dimension, generator=generator, dtype=torch.float64).to(like)
