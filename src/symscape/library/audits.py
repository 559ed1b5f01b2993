"""How symmetric a network is: its kernels, its sampling, its structure, its answers."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

from torch import Tensor, nn

from symscape.audit.balance import Balance, Near, balance, balanced_sizes
from symscape.audit.consistency import Consistency, measure_consistency
from symscape.audit.invariance import Defect, invariance_defect
from symscape.audit.kernels import KernelMeasure, measure_kernels
from symscape.audit.segmentation import DenseConsistency, measure_dense_consistency
from symscape.audit.tracing.steps import Pair, Trace
from symscape.audit.tracing.trace import trace
from symscape.errors import SymscapeError
from symscape.library.inputs import Slices, batches, plain_network
from symscape.models.zoo import channels_of


@dataclass(frozen=True)
class NetworkAudit:
    """What an audit finds of one network and images of one size."""

    kernels: list[KernelMeasure]
    """Of each convolution with more than one tap: S of its mean kernel beside chance, and more."""
    balance: Balance
    """Which layers consume their padding on one side alone."""
    sizes: tuple[Near, Near]
    """The nearest numbers of rows, and of columns, below and above, at which none would."""
    invariance: Defect
    """How far logits move under flips and turns once all kernels are symmetric."""
    consistency: Consistency | DenseConsistency | None
    """How often answers stay the same; None without images."""


def audit_network(
    network: nn.Module,
    *,
    input_size: int | Pair,
    channels: int | None = None,
    images: Tensor | None = None,
    labels: Tensor | None = None,
    shifts: int = 3,
    batch_size: int = 100,
    seed: int = 0,
) -> NetworkAudit:
    """Return an audit of a network.

    Cost: two passes over the weights, some forward passes of two images in float64 on the CPU; with
    images, 6 + 2 ((2 shifts + 1)^2 - 1) forward passes over them.

    Args:
        network: maps images to logits (N, classes), or to a map of them; it is left as it is.
        input_size: of its images: a side, or rows and columns.
        channels: of its images; None: those of its first convolution.
        images: (N, C, rows, columns), normalised, on which to ask for answers.
        labels: (N,) or (N, rows, columns), for accuracies; needed where answers are maps.
        shifts: the largest move of the images, in pixels.
        batch_size: images at once.
        seed: of the images of noise that `invariance` looks at.

    Raises:
        SymscapeError: the network cannot compute images of this size, or images do not fit.

    Examples:
        A convolution of 3 taps with stride 2 reads 32 pixels off centre, and 33 on centre; then,
        with symmetric kernels, logits do not move:

        >>> from torch import nn
        >>> network = nn.Sequential(
        ...     nn.Conv2d(1, 4, 3, stride=2, padding=1), nn.AdaptiveAvgPool2d(1), nn.Flatten()
        ... )
        >>> found = audit_network(network, input_size=32)
        >>> found.balance.balanced, found.sizes[0], found.invariance.exact
        (False, (31, 33), False)
        >>> audit_network(network, input_size=33).invariance.exact
        True
    """
    size = (input_size, input_size) if isinstance(input_size, int) else input_size
    plain = plain_network(network)
    count = channels_of("network", plain) if channels is None else channels
    asked = None if images is None else _asked(plain, images, labels, size, batch_size)
    at_home = plain_network(network).cpu()
    seen = trace(at_home, count, size)
    return NetworkAudit(
        kernels=measure_kernels(seen.convolutions),
        balance=balance(seen),
        sizes=balanced_sizes(seen, lambda other: trace(at_home, count, other)),
        invariance=invariance_defect(at_home, count, size, seed=seed),
        consistency=None if asked is None else _consistency(plain, asked, labels, shifts, seen),
    )


def _asked(
    network: nn.Module, images: Tensor, labels: Tensor | None, size: Pair, batch_size: int
) -> Slices:
    if tuple(images.shape[-2:]) != tuple(size):
        raise SymscapeError(f"images: of {tuple(images.shape[-2:])} pixels, input_size={size}")
    return batches(network, images, labels, batch_size)


def _consistency(
    network: nn.Module, asked: Slices, labels: Tensor | None, shifts: int, seen: Trace
) -> Consistency | DenseConsistency:
    if len(seen.output) == 4:
        if labels is None:
            raise SymscapeError("labels=None: answers are maps, and need a class for each pixel")
        return measure_dense_consistency(network, asked, shifts=shifts)

    def pairs() -> Iterator[tuple[Tensor, Tensor | None]]:
        return ((x, y if labels is not None else None) for x, y in asked)

    return measure_consistency(network, pairs(), shifts=shifts)
