"""A path between two networks with one bend: a quadratic Bezier curve, or a chain of two lines.

Garipov et al. 2018, "Loss Surfaces, Mode Connectivity, and Fast Ensembling of DNNs".
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass

import torch
from torch import Tensor

from symscape.landscape.evaluation import State
from symscape.landscape.interpolation import Line, Point

Weights = tuple[float, float, float]
"""Of A, of the middle M and of B in a point of a path; the second is d theta / d M."""


def quadratic(t: float) -> Weights:
    """Return the weights (1 - t)^2, 2 t (1 - t), t^2 of a Bezier curve; M pulls at it."""
    return (1 - t) ** 2, 2 * t * (1 - t), t**2


def polygon(t: float) -> Weights:
    """Return the weights of the line from A to M up to t = 1/2, and of that from M to B after."""
    return max(0.0, 1 - 2 * t), 1 - abs(1 - 2 * t), max(0.0, 2 * t - 1)


SHAPES: dict[str, Callable[[float], Weights]] = {"quadratic": quadratic, "polygon": polygon}


@dataclass(frozen=True)
class Bend:
    """theta(t) = w_a(t) A + w_m(t) M + w_b(t) B; exactly A at t = 0, and B at t = 1."""

    shape: str
    """One of SHAPES."""
    a: State
    middle: Mapping[str, Tensor]
    """Of the parameters."""
    b: State

    @torch.no_grad()
    def fill(self, tensors: Mapping[str, Tensor], t: float) -> None:
        """Set parameters to those at t, and all else, such as statistics of norms, to A's."""
        of_a, of_middle, of_b = SHAPES[self.shape](t)
        for name, own in tensors.items():
            own.copy_(self.a[name])
            if name in self.middle:
                own.mul_(of_a).add_(self.middle[name], alpha=of_middle)
                own.add_(self.b[name].to(own.device, own.dtype), alpha=of_b)


def walk(
    line: Line,
    bend: Bend,
    ts: Sequence[float],
    *,
    known: Mapping[float, Point] | None = None,
    tick: Callable[[], None] = lambda: None,
) -> list[Point]:
    """Return what the networks at `ts` reach, their BatchNorm statistics recomputed.

    Cost: as of a straight line (`Line.measure`).

    Args:
        line: has the network, the splits and the images for the statistics.
        bend: the path.
        ts: from 0 to 1.
        known: points that need no evaluation.
        tick: called after every point.

    Raises:
        ValueError: the line's policy for BatchNorm is not `reset`.
    """
    if line.bn != "reset":
        raise ValueError(f"bn={line.bn}: what lies on a bend has statistics of its own: reset")
    points = []
    for t in ts:
        if known and t in known:
            points.append(known[t])
        else:
            bend.fill(line.tensors, t)
            points.append({name: sums.read() for name, sums in line.look({}).items()})
        tick()
    return points
