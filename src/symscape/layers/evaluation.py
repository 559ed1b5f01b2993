"""Plain convolutions whose kernels turn out to be tied: evaluated by their fold where that pays."""

from __future__ import annotations

import torch
from torch import Tensor, nn

from symscape.layers.conv import taps_last
from symscape.layers.fold import folded_conv2d
from symscape.layers.plan import WORTH, forward_cost
from symscape.layers.stencil import Geometry

# Taps are equal up to the rounding of float32, relative to the largest of a kernel.
TOLERANCE = 1e-6

Labels = tuple[tuple[int, ...], ...]


def fold_evaluations(network: nn.Module, precision: str) -> None:
    """Let the plain convolutions of a network fold in passes without gradients on a CPU.

    Which taps are tied is read from the kernels, again whenever they change. So it serves every
    network that is filled in: a run's, and those on the line between two runs of one symmetry.

    Args:
        network: its convolutions' forward passes are changed, its tensors are not.
        precision: float32, bfloat16 or float64, in which it computes.
    """
    for module in network.modules():
        if isinstance(module, nn.Conv2d) and _simple(module):
            module.forward = _Evaluation(module, precision)  # type: ignore[assignment]


def _simple(conv: nn.Conv2d) -> bool:
    """Return whether a convolution has taps to tie, and nothing that a fold does not do."""
    return (
        conv.kernel_size != (1, 1)
        and conv.groups == 1
        and conv.dilation == (1, 1)
        and conv.stride[0] == conv.stride[1]
        and not isinstance(conv.padding, str)
        and conv.padding_mode == "zeros"
    )


class _Evaluation:
    """The forward pass of one convolution."""

    def __init__(self, conv: nn.Conv2d, precision: str) -> None:
        self.conv, self.precision = conv, precision
        self.seen: tuple[int, int] | None = None
        self.labels: Labels | None = None

    def __call__(self, x: Tensor) -> Tensor:
        """Map x (N, I, H, W) as the convolution does."""
        conv = self.conv
        if torch.is_grad_enabled() or x.device.type != "cpu" or conv.weight.is_inference():
            return nn.Conv2d.forward(conv, x)
        now = (id(conv.weight), conv.weight._version)
        if now != self.seen:
            self.seen, self.labels = now, tied_taps(conv.weight)
        if self.labels is None:
            return nn.Conv2d.forward(conv, x)
        top, left = (int(p) for p in conv.padding)
        geometry = Geometry(self.labels, (x.shape[-2], x.shape[-1]), conv.stride[0], (top, left))
        sizes = (conv.in_channels, conv.out_channels, len(x))
        if not forward_cost(geometry, *sizes, self.precision) < WORTH:
            return nn.Conv2d.forward(conv, x)
        flat = [label for row in self.labels for label in row]
        first = [flat.index(orbit) for orbit in range(geometry.orbits)]
        y = folded_conv2d(x, taps_last(conv.weight)[:, first], geometry)
        return y if conv.bias is None else y + conv.bias.to(y.dtype)[:, None, None]


@torch.no_grad()
def tied_taps(kernel: Tensor) -> Labels | None:
    """Return which taps of a kernel (O, I, kh, kw) are equal in all filters; None if none are.

    Cost: a pass over the kernel for each tap that is tied.
    """
    taps = taps_last(kernel.detach()).transpose(0, 1)
    tolerance = TOLERANCE * kernel.abs().amax()
    firsts: list[Tensor] = []
    labels = []
    for tap in taps:
        for label, first in enumerate(firsts):
            # One filter tells nearly all that differ.
            if all(
                bool(((a - b).abs() <= tolerance).all())
                for a, b in ((tap[0], first[0]), (tap, first))
            ):
                labels.append(label)
                break
        else:
            labels.append(len(firsts))
            firsts.append(tap)
    if len(firsts) == len(labels):
        return None
    width = kernel.shape[-1]
    return tuple(tuple(labels[i : i + width]) for i in range(0, len(labels), width))
