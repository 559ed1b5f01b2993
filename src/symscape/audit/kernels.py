"""How symmetric the kernels of a network are, and how often chance alone makes them so.

K is the signed mean of a convolution's filters over its first two axes. S, the energies and their
p-values are those of K; its twin K - mean(K) tells the symmetry of a shape from that of an offset.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass

import torch
from scipy.special import betaincc
from torch import Tensor

from symscape.symmetry.groups import ELEMENTS, KernelSize, distinct_elements
from symscape.symmetry.isotypic import dimensions, isotypic_energies
from symscape.symmetry.measures import Null, filter_scores, null_band

LEVEL = 0.05
"""Of the test for a common kernel."""
VANISHING = 1e-7
"""A mean kernel smaller than this share of its filters is the rounding of float32 weights."""
CHUNK = 1 << 17
"""Weights at once in float64, which a processor's cache holds."""


@dataclass(frozen=True)
class Convolution:
    """A convolution as it is applied.

    Raises:
        ValueError: the kernel has not four axes, or `scale` not one factor for each of its rows.
    """

    name: str
    kernel: Tensor
    """(out, in / groups, kh, kw)."""
    stride: tuple[int, int]
    scale: Tensor | None = None
    """(out,): gamma / sqrt(var + eps) of the BatchNorm in eval mode that reads it; None without."""

    def __post_init__(self) -> None:
        shape = tuple(self.kernel.shape)
        if len(shape) != 4:
            raise ValueError(f"{self.name}: kernel of shape {shape}, not (out, in, kh, kw)")
        if self.scale is not None and tuple(self.scale.shape) != shape[:1]:
            raise ValueError(
                f"{self.name}: scale of shape {tuple(self.scale.shape)} for {shape[0]} rows"
            )


@dataclass(frozen=True)
class KernelMeasure:
    """The symmetry of one convolution's kernels. A number that does not exist is NaN, with why."""

    layer: str
    kernel_size: KernelSize
    stride: tuple[int, int]
    filters: int
    """NC: how many filters (kh, kw) it has."""
    score: float
    """S of the mean kernel K for the elements that act on it, without the identity."""
    null: Null
    """S of one kernel of normal taps of this size: scores of two sizes do not compare raw."""
    p: float
    """The chance that normal taps have at least K's share A1 of invariant energy; exact."""
    twin: float
    """S of K - mean(K)."""
    twin_null: Null
    twin_p: float
    """As p, for the twin. NaN where nothing but the mean is invariant: 2x2, 1x2, 2x1."""
    moved: dict[str, float]
    """||T K - K|| / (2 ||K||) of each element T: 0 where T leaves K alone, 1 where it negates K."""
    energies: dict[str, float]
    """Of K: see `isotypic_energies`."""
    skew_rows: float
    """The mean row of |K|, from -1 (all in the first) to 1 (all in the last): positive is down."""
    skew_columns: float
    """As skew_rows, over columns: positive is right."""
    strength: float
    """q = NC ||K||^2 / sum ||W||^2 over the filters W, from 0 to 1: how far they share K."""
    strength_p: float
    """The chance of at least q among i.i.d. normal filters; NaN for one filter, whose q is 1."""
    single: float
    """The mean S of the filters, those that are zero left out."""
    folded: float
    """S of the mean kernel after each row was multiplied by the scale of its BatchNorm."""
    reason: str = ""
    """Why the numbers of K are NaN; and all others too, unless K alone vanishes."""
    twin_reason: str = ""
    folded_reason: str = ""

    @property
    def common(self) -> bool:
        """Whether the filters share a kernel: more than i.i.d. ones would (strength_p <= .05)."""
        return self.strength_p <= LEVEL


def measure_kernels(convolutions: Sequence[Convolution]) -> list[KernelMeasure]:
    """Return the measures of every convolution with more than one tap, in the given order.

    A kernel tensor that several convolutions share counts once, as the first of them. Cost: two
    passes over the weights; ResNet-50's take 0.1 to 0.2 s on one core.
    """
    first: dict[tuple[int, torch.Size], Convolution] = {}
    for convolution in convolutions:
        kernel = convolution.kernel
        if kernel.shape[2:].numel() > 1:
            first.setdefault((kernel.data_ptr(), kernel.shape), convolution)
    return [_measure(convolution) for convolution in first.values()]


def _measure(convolution: Convolution) -> KernelMeasure:
    size = (convolution.kernel.shape[2], convolution.kernel.shape[3])
    elements, taps, orbits = distinct_elements(size), math.prod(size), dimensions(size)["A1"]
    sums = _sum_filters(convolution.kernel)
    kernel, strength, reason = _mean_kernel(sums)
    twin, twin_reason = _twin(kernel)
    folded, folded_reason = _folded(sums, convolution.scale, elements)
    moved, energies = _moved(kernel, elements), isotypic_energies(kernel)
    return KernelMeasure(
        layer=convolution.name,
        kernel_size=size,
        stride=convolution.stride,
        filters=sums.filters,
        score=_score(moved),
        null=null_band(size, elements),
        p=_chance(energies["A1"], orbits, taps),
        twin=_score(_moved(twin, elements)),
        twin_null=null_band(size, elements, demeaned=True),
        twin_p=_chance(isotypic_energies(twin)["A1"], orbits - 1, taps - 1),
        moved=moved,
        energies=energies,
        skew_rows=_skew(kernel.abs().sum(1)),
        skew_columns=_skew(kernel.abs().sum(0)),
        strength=strength,
        strength_p=_chance(strength, taps, taps * sums.filters),
        single=sums.single,
        folded=folded,
        reason=reason,
        twin_reason=reason or twin_reason,
        folded_reason=folded_reason,
    )


@dataclass(frozen=True)
class _Sums:
    """What one pass over the filters leaves, in float64, the largest weight scaled to 1."""

    filters: int
    means: Tensor
    """(out, kh, kw): the mean filter of each row."""
    squares: Tensor
    """(out,): the mean ||W||^2 of each row."""
    single: float
    reason: str = ""


def _sum_filters(kernel: Tensor) -> _Sums:
    """Return the sums of a kernel (out, in / groups, kh, kw): all NaN, with why, if it has none."""
    kernel = kernel.detach().cpu()
    filters, size = kernel.shape[:2].numel(), (kernel.shape[2], kernel.shape[3])
    largest = _largest(kernel)
    if not 0 < largest < math.inf:
        nothing = torch.full((1, *size), math.nan, dtype=torch.float64)
        reason = "kernel is zero" if largest == 0 else "kernel is not finite"
        return _Sums(filters, nothing, nothing[:, 0, 0], math.nan, reason)
    means, squares, scores = [], [], []
    for rows in torch.split(kernel, max(1, CHUNK // kernel[0].numel())):
        part = rows.to(torch.float64, copy=True).div_(largest)
        means.append(part.mean(1))
        squares.append(part.flatten(1).norm(dim=1).square() / part.shape[1])
        scores.append(filter_scores(part.flatten(0, 1), distinct_elements(size)))
    single = torch.cat(scores).nanmean().item()
    return _Sums(filters, torch.cat(means), torch.cat(squares), single)


def _largest(kernel: Tensor) -> float:
    """Return the largest |weight|: 0 for a kernel without any, NaN if one is NaN."""
    if not kernel.numel():
        return 0.0
    low, high = kernel.aminmax()
    return torch.maximum(-low, high).item()


def _mean_kernel(sums: _Sums, scale: Tensor | None = None) -> tuple[Tensor, float, str]:
    """Return the mean kernel (kh, kw) of scaled rows, its strength, and why it is NaN if it is."""
    factors = torch.ones_like(sums.squares) if scale is None else scale
    kernel = torch.tensordot(factors, sums.means, 1) / len(factors)
    strength = (kernel.square().sum() / (factors.square() * sums.squares).mean()).item()
    # Also where no row is left that is not zero: 0 / 0.
    vanishes = "" if strength >= VANISHING**2 else "mean kernel vanishes"
    reason = sums.reason or vanishes
    return (kernel * math.nan if reason else kernel), strength, reason


def _twin(kernel: Tensor) -> tuple[Tensor, str]:
    """Return a kernel less its mean; NaN, with the reason, where no more than rounding is left."""
    twin = kernel - kernel.mean()
    if twin.norm() < VANISHING * kernel.norm():
        return twin * math.nan, "mean kernel is constant"
    return twin, ""


def _folded(sums: _Sums, scale: Tensor | None, elements: Sequence[str]) -> tuple[float, str]:
    """Return S of the mean kernel of scaled rows, or NaN and why."""
    if scale is None or sums.reason:
        return math.nan, sums.reason or "no BatchNorm reads it"
    scale = scale.detach().double().cpu()
    largest = scale.abs().max()
    if not 0 < largest < math.inf:
        return math.nan, "scale is zero" if largest == 0 else "scale is not finite"
    kernel, _, reason = _mean_kernel(sums, scale / largest)
    return _score(_moved(kernel, elements)), reason


def _moved(kernel: Tensor, elements: Sequence[str]) -> dict[str, float]:
    unit = kernel / kernel.norm()
    return {e: (ELEMENTS[e](unit) - unit).norm().item() / 2 for e in elements}


def _score(moved: dict[str, float]) -> float:
    return 1 - sum(moved.values()) / len(moved)


def _skew(sizes: Tensor) -> float:
    """Return the mean place of sizes (k,) on a line from -1 to 1; 0 where there is one place."""
    places = torch.linspace(-1, 1, len(sizes)) if len(sizes) > 1 else torch.zeros(1)
    return (places.to(sizes) @ sizes / sizes.sum()).item()


def _chance(share: float, dimension: int, space: int) -> float:
    """Return P(B >= share), B the share of a normal vector's energy in a subspace.

    B ~ Beta(dimension / 2, (space - dimension) / 2): a sum of squares over a larger one. NaN where
    B is no random number: the subspace is nothing or everything.
    """
    if not 0 < dimension < space:
        return math.nan
    return float(betaincc(dimension / 2, (space - dimension) / 2, min(share, 1.0)))
