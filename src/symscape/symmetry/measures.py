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

from symscape.symmetry.groups import ELEMENTS, SWAPS_AXES, KernelSize, tap_permutation

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


@lru_cache(maxsize=256)
def null_band(kernel_size: KernelSize, group: str, draws: int = 20_000) -> tuple[float, ...]:
    """Return (2.5 % quantile, mean, 97.5 % quantile) of S for one kernel of i.i.d. normal taps.

    The mean kernel of a random layer is one such draw. Simulated from a fixed seed.
    """
    kernels = torch.randn(
        draws,
        math.prod(kernel_size),
        dtype=torch.float64,
        generator=torch.Generator().manual_seed(0),
    )
    kernels /= kernels.norm(dim=1, keepdim=True)
    moved = [kernels[:, tap_permutation(e, kernel_size)] for e in MEASURES[group]]
    scores = 1 - torch.stack([(m - kernels).norm(dim=1) for m in moved]).mean(0) / 2
    low, high = scores.quantile(torch.tensor([0.025, 0.975], dtype=torch.float64)).tolist()
    return low, scores.mean().item(), high


def layer_null(kernel_size: KernelSize, group: str) -> float:
    """Return the limit of S for a layer of many i.i.d. filters.

    <T K, K> / ||K||^2 tends to the share of taps that T leaves in place.
    """
    taps = torch.arange(math.prod(kernel_size))
    fixed = [(tap_permutation(e, kernel_size) == taps).double().mean() for e in MEASURES[group]]
    return 1 - sum(math.sqrt(2 - 2 * f.item()) for f in fixed) / (2 * len(fixed))
