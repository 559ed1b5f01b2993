"""How symmetric kernels are: S(K) = 1 - 1/(2|T|) sum_T ||T K^ - K^||_F with K^ = K / ||K||_F.

T is a set of elements of D4 without the identity. S is 1 for a kernel that every element of T
leaves alone, and does not change with the scale or the sign of K or by any element of D4.
"""

from __future__ import annotations

import math
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from functools import lru_cache

import torch
from torch import Tensor, nn
from torch.nn.functional import one_hot

from symscape.symmetry.groups import ELEMENTS, SWAPS_AXES, KernelSize, tap_permutation

NULL_DRAWS = 20_000
NULL_TAPS = 1_000_000
"""At most so many kernels, and taps of them, are drawn for a null."""
MIN_ROWS = 256
CACHED = 1 << 16
"""Numbers a processor's cache holds; but with fewer rows than these a product is slow."""

MEASURES: dict[str, tuple[str, ...]] = {
    "h": ("hflip",),
    "v": ("vflip",),
    "hv": ("hflip", "vflip", "rot180"),
    "rot180": ("rot180",),
    "rot90": ("rot90", "rot180", "rot270"),
    "total": tuple(element for element in ELEMENTS if element != "identity"),
}


@dataclass(frozen=True)
class Measure:
    """S of one convolution: `value` is NaN where `reason` says why there is none."""

    layer: str
    depth: int
    kernel_size: KernelSize
    kind: str
    group: str
    value: float
    reason: str = ""


def symmetry_score(kernel: Tensor, elements: Sequence[str]) -> float:
    """Return S of a kernel tensor (..., kh, kw) for a set of elements; NaN for a zero kernel.

    Computed from the Gram matrix of the taps, one pass over the kernel for all elements:
    ||T K - K||^2 = 2 ||K||^2 - 2 <T K, K>.

    Examples:
        The left-right flip negates Sobel's edge, the up-down flip leaves it alone:

        >>> edge = torch.tensor([[-1.0, 0.0, 1.0], [-2.0, 0.0, 2.0], [-1.0, 0.0, 1.0]])
        >>> symmetry_score(edge, MEASURES["h"]), symmetry_score(edge, MEASURES["v"])
        (0.0, 1.0)
    """
    return _score_of_gram(_tap_gram(kernel), _size(kernel), elements)


def _size(kernel: Tensor) -> KernelSize:
    return kernel.shape[-2], kernel.shape[-1]


def _tap_gram(kernel: Tensor) -> Tensor:
    taps = kernel.detach().flatten(-2).flatten(0, -2) if kernel.ndim > 2 else kernel.detach()
    rows = taps.reshape(-1, kernel.shape[-2] * kernel.shape[-1])
    # Scaling first keeps squares of tiny or huge kernels inside the range.
    rows = rows.double() / max(rows.abs().max().item(), torch.finfo(torch.float64).tiny)
    return (rows.T @ rows).cpu()


def _score_of_gram(gram: Tensor, size: KernelSize, elements: Sequence[str]) -> float:
    square_norm = gram.trace()
    if not square_norm > 0:
        return math.nan
    taps = torch.arange(len(gram))
    overlaps = torch.stack([gram[tap_permutation(e, size), taps].sum() for e in elements])
    distances = (2 - 2 * overlaps / square_norm).clamp(min=0).sqrt()
    return 1 - distances.mean().item() / 2


def filter_scores(filters: Tensor, elements: tuple[str, ...]) -> Tensor:
    """Return S (F,) of each of the filters (F, kh, kw); NaN for a filter that is zero.

    ||T w - w|| is that of the differences of taps that T moves, one matrix product for all
    elements: 0 to the last bit for a filter that T leaves alone. Cost: O(F n m) for n taps and
    m <= 3 n differences.
    """
    differences, squares_of, weights = _differences(_size(filters), elements)
    rows = filters.detach().flatten(1).to(differences)
    at_once = max(MIN_ROWS, CACHED // (differences.shape[1] + 1))
    moved = [
        ((part @ differences).square_() @ squares_of).sqrt_() @ weights
        for part in torch.split(rows, at_once)
    ]
    norms: Tensor = rows.norm(dim=1)
    return 1 - torch.cat(moved) / norms


@lru_cache(maxsize=256)
def _differences(size: KernelSize, elements: tuple[str, ...]) -> tuple[Tensor, Tensor, Tensor]:
    """Return D (n, m), A (m, t), c (t,): S(w) = 1 - sqrt((w D)^2 A) c / ||w|| for a row w (n).

    An element and its inverse move a filter equally far, so both are one of the t.
    """
    moves: dict[tuple[int, ...], int] = {}
    for element in elements:
        permutation = tap_permutation(element, size)
        key = min(tuple(permutation.tolist()), tuple(permutation.argsort().tolist()))
        moves[key] = moves.get(key, 0) + 1
    columns, counts = zip(*(_moved_taps(torch.tensor(move)) for move in moves), strict=True)
    weights = torch.tensor(list(moves.values()), dtype=torch.float64) / (2 * len(elements))
    owners = torch.repeat_interleave(torch.tensor([len(count) for count in counts]))
    return torch.cat(columns, 1), one_hot(owners, len(counts)) * torch.cat(counts), weights


def _moved_taps(permutation: Tensor) -> tuple[Tensor, Tensor]:
    """Return D (n, m), a column for each tap or swapped pair that T moves, and how often (m, 1).

    ||T w - w||^2 is the sum of (w D)^2, in which a swapped pair counts twice.
    """
    taps = torch.arange(len(permutation))
    swaps = permutation[permutation] == taps
    moved = taps[(permutation > taps) | (permutation != taps) & ~swaps]
    identity = torch.eye(len(taps), dtype=torch.float64)
    differences = identity[:, permutation[moved]] - identity[:, moved]
    return differences, 1 + swaps[moved, None].double()


def mean_kernel(kernel: Tensor) -> Tensor:
    """Return the signed mean (kh, kw) of a layer's kernels (out, in, kh, kw)."""
    return kernel.mean((0, 1))


def convolution_kernels(network: nn.Module) -> Iterator[tuple[str, Tensor]]:
    """Yield (name, kernel (out, in / groups, kh, kw)) of every convolution, in module order."""
    for name, module in network.named_modules():
        kernel = getattr(module, "weight", None)
        if isinstance(kernel, Tensor) and kernel.ndim == 4:
            yield name, kernel.detach()


def measure_network(network: nn.Module) -> list[Measure]:
    """Return S of every convolution with more than one tap, of both kinds, for each of MEASURES.

    1x1 kernels are left out: they would score 1. `depth` counts all convolutions from 0.
    Cost: one pass over the kernels.

    Examples:
        >>> network = nn.Sequential(nn.Conv2d(1, 1, 3), nn.Conv2d(1, 1, 1))
        >>> _ = nn.init.ones_(network[0].weight)
        >>> [(m.layer, m.kind, m.value) for m in measure_network(network) if m.group == "total"]
        [('0', 'layer', 1.0), ('0', 'mean_kernel', 1.0)]
    """
    kernels = enumerate(convolution_kernels(network))
    return [m for depth, (name, k) in kernels if k[0, 0].numel() > 1 for m in _both(name, depth, k)]


def _both(layer: str, depth: int, kernel: Tensor) -> Iterator[Measure]:
    for kind, tensor in (("layer", kernel), ("mean_kernel", mean_kernel(kernel))):
        gram = _tap_gram(tensor)
        for group, elements in MEASURES.items():
            value, reason = math.nan, ""
            if _size(kernel)[0] != _size(kernel)[1] and any(e in SWAPS_AXES for e in elements):
                reason = "needs a square kernel"
            elif not bool(gram.isfinite().all()):
                reason = "kernel is not finite"
            elif not gram.trace() > 0:
                reason = "kernel is zero"
            else:
                value = _score_of_gram(gram, _size(kernel), elements)
            yield Measure(layer, depth, _size(kernel), kind, group, value, reason)


def mean_over_layers(measures: Iterable[Measure]) -> dict[tuple[str, str], float]:
    """Return the mean S of each (kind, group) over the layers that have one; NaN if none has."""
    values: dict[tuple[str, str], list[float]] = {}
    for measure in measures:
        values.setdefault((measure.kind, measure.group), [])
        if not math.isnan(measure.value):
            values[measure.kind, measure.group].append(measure.value)
    return {key: sum(v) / len(v) if v else math.nan for key, v in values.items()}


@dataclass(frozen=True)
class Null:
    """S of one kernel of i.i.d. normal taps: how symmetric chance alone makes it."""

    low: float
    """The 2.5 % quantile."""
    mean: float
    high: float
    """The 97.5 % quantile."""
    sd: float
    top: float
    """The 95 % quantile: one kernel of chance in twenty is more symmetric."""


@lru_cache(maxsize=256)
def null_band(
    kernel_size: KernelSize,
    elements: tuple[str, ...],
    *,
    demeaned: bool = False,
    draws: int | None = None,
) -> Null:
    """Return where S of one kernel of i.i.d. normal taps lies.

    The mean kernel of a random layer is one such draw. See `null_scores` for the arguments.
    """
    scores = null_scores(kernel_size, elements, demeaned=demeaned, draws=draws)
    low, top, high = scores.quantile(scores.new_tensor([0.025, 0.95, 0.975])).tolist()
    return Null(low, scores.mean().item(), high, scores.std().item(), top)


def null_scores(
    kernel_size: KernelSize,
    elements: tuple[str, ...],
    *,
    demeaned: bool = False,
    draws: int | None = None,
) -> Tensor:
    """Return S (draws,) of kernels of i.i.d. normal taps, simulated from a fixed seed.

    Args:
        kernel_size: more than one tap.
        elements: of D4, which must act on such a kernel.
        demeaned: each kernel less its mean, so that symmetry is not that of an offset.
        draws: None: 20,000, and fewer above 50 taps, where S scatters less (sd .1 at 3x3, .02 at
            11x11): the mean is known to .001 everywhere.
    """
    taps = math.prod(kernel_size)
    draws = draws or min(NULL_DRAWS, NULL_TAPS // taps)
    generator = torch.Generator().manual_seed(0)
    kernels = torch.randn(draws, taps, dtype=torch.float64, generator=generator)
    if demeaned:
        kernels -= kernels.mean(1, keepdim=True)
    return filter_scores(kernels.view(draws, *kernel_size), elements)


def layer_null(kernel_size: KernelSize, group: str) -> float:
    """Return the limit of S for a layer of many i.i.d. filters.

    <T K, K> / ||K||^2 tends to the share of taps that T leaves in place.
    """
    taps = torch.arange(math.prod(kernel_size))
    fixed = [(tap_permutation(e, kernel_size) == taps).double().mean() for e in MEASURES[group]]
    return 1 - sum(math.sqrt(2 - 2 * f.item()) for f in fixed) / (2 * len(fixed))
