"""The loss on the line between two state dicts of a network."""

from __future__ import annotations

import math
from dataclasses import dataclass

import torch
from torch import Tensor, nn

from symscape.config.interpolate import BN_POLICIES
from symscape.errors import SymscapeError, check_choice, check_number
from symscape.landscape.barriers import DEFINITIONS, barriers
from symscape.landscape.batchnorm import STATISTICS_BATCH
from symscape.landscape.evaluation import State
from symscape.landscape.interpolation import Line, line_points
from symscape.layers.evaluation import for_evaluation
from symscape.library.inputs import batches, plain_network, plain_state


@dataclass(frozen=True)
class Curve:
    """Means over `images` images at points of a line; 0 is left, 1 is right."""

    alphas: list[float]
    """(P,), equally spaced."""
    loss: list[float]
    """(P,), cross-entropy in nats."""
    error: list[float]
    """(P,), the share of wrong answers."""
    images: int

    def barrier(self, metric: str = "loss", definition: str = "chord") -> float:
        """Return how high the curve rises, in one number.

        Args:
            metric: loss or error.
            definition: chord, the largest height above the straight line between the end values;
                midmean, above their mean; max, the largest value itself.
        """
        check_choice("metric", metric, ("loss", "error"))
        check_choice("definition", definition, DEFINITIONS)
        values = self.loss if metric == "loss" else self.error
        return barriers(self.alphas, values)[definition]


def connect(
    network: nn.Module,
    left: State,
    right: State,
    images: Tensor,
    labels: Tensor,
    *,
    points: int = 11,
    bn: str = "reset",
    statistics: Tensor | None = None,
    batch_size: int = STATISTICS_BATCH,
) -> Curve:
    """Return loss and error on the straight line between two state dicts of one network.

    Symmetric networks are walked between effective kernels: the ones that are applied.

    Cost: at each point a forward pass over the images, and one over `statistics` where BatchNorm is
    reset. Computes in the network's own type, or under the caller's autocast.

    Args:
        network: maps images to logits (N, classes); it is left as it is.
        left: its state dict at 0, or that of its effective network.
        right: the same at 1; `align` brings its channels into left's order.
        images: (N, C, H, W), normalised as for training.
        labels: (N,), or (N, H, W) for a class a pixel.
        points: both ends included; an odd number has the middle.
        bn: BatchNorm statistics at every point: reset (recomputed), lerp (interpolated), none
            (left's), repair (reset, with the outputs' moments interpolated). One without BatchNorm
            is walked the same way by the first three.
        statistics: images for `reset` and `repair`; None: `images`.
        batch_size: images at once.

    Raises:
        SymscapeError: a state dict is of another network, images or labels do not fit, or a loss is
            not finite.

    Examples:
        The loss of a linear classifier is convex in its weights, so there is no barrier:

        >>> import torch
        >>> from torch import nn
        >>> network = nn.Sequential(nn.Flatten(), nn.Linear(12, 3))
        >>> left = {name: torch.randn_like(t) for name, t in network.state_dict().items()}
        >>> right = {name: torch.randn_like(t) for name, t in network.state_dict().items()}
        >>> images, labels = torch.randn(20, 3, 2, 2), torch.randint(3, (20,))
        >>> curve = connect(network, left, right, images, labels, points=5)
        >>> curve.alphas
        [0.0, 0.25, 0.5, 0.75, 1.0]
        >>> curve.barrier() < 1e-5
        True
    """
    check_choice("bn", bn, BN_POLICIES)
    check_number("points", points, at_least=3)
    ends = plain_state(network, left, "left"), plain_state(network, right, "right")
    plain = plain_network(network)
    shown = batches(plain, images, labels, batch_size)
    reset = batches(plain, images if statistics is None else statistics, size=STATISTICS_BATCH)
    # `repair` puts modules around the norms, which a faster forward pass would not have.
    forward = for_evaluation(plain, _precision(plain))
    line = Line(plain, {"images": shown}, bn=bn, statistics=reset, forward=forward)
    alphas = line_points(points)
    found = [point["images"] for point in line.measure(*ends, alphas)]
    if not all(math.isfinite(each.loss) for each in found):
        raise SymscapeError("connect: a loss on the line is not finite")
    return Curve(alphas, [e.loss for e in found], [e.error for e in found], len(images))


def _precision(network: nn.Module) -> str:
    """Return the type that a forward pass computes in, by name."""
    like = next(network.parameters())
    kind, dtype = like.device.type, like.dtype
    if torch.is_autocast_enabled(kind) and dtype != torch.float64:
        dtype = torch.get_autocast_dtype(kind)
    return str(dtype).removeprefix("torch.")
