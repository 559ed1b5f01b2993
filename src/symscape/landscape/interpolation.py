"""The loss on the straight line between two networks of one architecture."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping, Sequence
from contextlib import nullcontext

import torch
from torch import Tensor, nn

from symscape.landscape.batchnorm import (
    Moments,
    output_moments,
    rescaled,
    reset_statistics,
    statistics_names,
)
from symscape.landscape.evaluation import Batches, Evaluation, State, Sums, accumulate

Point = dict[str, Evaluation]
"""What a network reaches on each split, by the split's name."""


def line_points(count: int) -> list[float]:
    """Return `count` equally spaced alphas from 0 to 1; an odd count contains 1/2."""
    return torch.linspace(0, 1, count, dtype=torch.float64).tolist()


class Line:
    """Networks theta(alpha) = (1 - alpha) A + alpha B, each evaluated on the same splits.

    Args:
        network: A plain network in eval mode on the device where it computes; its weights are
            overwritten. Its forward pass decides the precision.
        splits: Images and labels by the name of the split.
        bn: reset, lerp, none or repair: what the BatchNorm statistics are at every point, the
            end points too. Without BatchNorm, reset, lerp and none are the same.
        statistics: Images for `reset` and `repair`, in batches that do not change.
        forward: The same function of the same tensors, computed faster (`layers.evaluation`).
    """

    def __init__(
        self,
        network: nn.Module,
        splits: Mapping[str, Batches],
        *,
        bn: str = "reset",
        statistics: Batches = (),
        forward: nn.Module | None = None,
    ) -> None:
        self.network, self.splits, self.bn, self.statistics = network, splits, bn, statistics
        self.forward = forward or network
        # The tensors themselves, whatever modules `repair` puts around them.
        self.tensors = network.state_dict()
        self.statistics_of = statistics_names(network)

    def measure(
        self,
        a: State,
        b: State,
        alphas: Sequence[float],
        *,
        known: Mapping[float, Point] | None = None,
        tick: Callable[[], None] = lambda: None,
    ) -> list[Point]:
        """Return what the networks at `alphas` reach.

        Cost, a point: a forward pass over the splits, and in train mode over the statistics.
        `repair` looks at each end point twice more.

        Args:
            a: state dict at 0.
            b: state dict at 1.
            alphas: where to evaluate.
            known: points that need no evaluation: end points that lines share.
            tick: called after every point.
        """
        ends = (self.moments(a), self.moments(b)) if self.bn == "repair" else None
        points: list[dict[str, Sums] | Point] = []
        for alpha in alphas:
            if known and alpha in known:
                points.append(known[alpha])
            else:
                self.fill(a, b, alpha)
                points.append(self.look(_between(ends, alpha) if ends else {}))
            tick()
        return [{k: v.read() if isinstance(v, Sums) else v for k, v in p.items()} for p in points]

    def look(self, targets: Moments, splits: Iterable[str] | None = None) -> dict[str, Sums]:
        """Evaluate the network as it is filled, after the policy's pass over the statistics."""
        names = self.splits if splits is None else splits
        # What stands around the norms is in the network alone.
        forward = self.network if targets else self.forward
        with rescaled(self.network, targets) if targets else nullcontext():
            if self.bn in ("reset", "repair"):
                reset_statistics(self.network, self.statistics, forward)
            return {name: accumulate(forward, self.splits[name]) for name in names}

    def fill(self, a: State, b: State, alpha: float) -> None:
        """Set the weights to those at alpha; the statistics as `lerp` and `none` want them."""
        with torch.no_grad():
            for name, own in self.tensors.items():
                if not own.is_floating_point():
                    continue
                if name in self.statistics_of and self.bn != "lerp":
                    own.copy_(a[name])
                else:
                    self._lerp(own, a[name], b[name], alpha)

    @staticmethod
    def _lerp(own: Tensor, a: Tensor, b: Tensor, alpha: float) -> None:
        torch.lerp(a.to(own.device, own.dtype), b.to(own.device, own.dtype), alpha, out=own)

    def moments(self, state: State) -> Moments:
        """Return the moments of an end point's norms, after their statistics are reset."""
        self.fill(state, state, 0.0)
        reset_statistics(self.network, self.statistics, self.forward)
        return output_moments(self.network, self.statistics)


def _between(ends: tuple[Moments, Moments], alpha: float) -> Moments:
    """Interpolate the moments of the end points."""
    a, b = ends
    return {
        name: (torch.lerp(a[name][0], b[name][0], alpha), torch.lerp(a[name][1], b[name][1], alpha))
        for name in a
    }
