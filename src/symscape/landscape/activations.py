"""Alignment by activations: channels that respond alike to the same images are matched.

Li et al. 2015, "Convergent learning"; Tatro et al. 2020, "Optimizing mode connectivity via neuron
alignment". For each tap, the correlation over all images and pixels of each channel of A with each
of B; a group's similarity is the mean over its taps, and one linear assignment maximises it.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass

import torch
from torch import Tensor, nn

from symscape.landscape.permutation import assign
from symscape.models.permutations import PermutationSpec, Tap

BLOCK_ROWS = 2048
"""Samples at once on a CPU: small enough to stay in its cache."""


@dataclass
class _Sums:
    """Sums over samples (images and pixels) of the channels a (C,) and b (C,) of one tap."""

    count: int
    a: Tensor
    b: Tensor
    aa: Tensor
    bb: Tensor
    ab: Tensor

    def add(self, other: _Sums) -> _Sums:
        return _Sums(
            self.count + other.count,
            *(getattr(self, k) + getattr(other, k) for k in ("a", "b", "aa", "bb", "ab")),
        )

    def correlation(self) -> Tensor:
        """Return (C, C) in float64; a channel that never changes correlates with nothing."""
        a, b = self.a / self.count, self.b / self.count
        covariance = self.ab / self.count - torch.outer(a, b)
        norms = torch.outer(
            (self.aa / self.count - a.square()).clamp(min=0).sqrt(),
            (self.bb / self.count - b.square()).clamp(min=0).sqrt(),
        )
        return torch.where(norms > 0, covariance / norms, 0.0)


@torch.inference_mode()
def match_activations(
    a: nn.Module, b: nn.Module, spec: PermutationSpec, batches: Iterable[tuple[Tensor, Tensor]]
) -> tuple[dict[str, Tensor], float]:
    """Return the permutations that bring B's channels to A's, and the mean correlation of pairs.

    Cost: one forward pass of each network over all batches, and a C x C product a tap.

    Args:
        a: a network in eval mode.
        b: another one of its architecture.
        spec: their permutation groups.
        batches: pairs of images and labels; the labels are not used.
    """
    totals: dict[Tap, _Sums] = {}
    for images, _ in batches:
        seen: dict[Tap, Tensor] = {}

        def keep(tap: Tap, x: Tensor, seen: dict[Tap, Tensor] = seen) -> None:
            seen[tap] = x

        def compare(tap: Tap, x: Tensor, seen: dict[Tap, Tensor] = seen) -> None:
            sums = _sums(_samples(seen.pop(tap)), _samples(x))
            totals[tap] = totals[tap].add(sums) if tap in totals else sums

        with watching(a, spec.taps, keep):
            a(images)
        with watching(b, spec.taps, compare):
            b(images)
    if not totals:
        raise ValueError("batches: there is no image to align by")
    return _assign_groups(spec, totals)


def _assign_groups(
    spec: PermutationSpec, totals: dict[Tap, _Sums]
) -> tuple[dict[str, Tensor], float]:
    similar: dict[str, list[Tensor]] = {group: [] for group in spec.sizes}
    for tap, sums in totals.items():
        correlation = sums.correlation().cpu()
        for group, at in spec.slices(tap.channels):
            similar[group].append(correlation[at, at])
    means = {group: torch.stack(blocks).mean(0) for group, blocks in similar.items()}
    permutations = {group: assign(mean) for group, mean in means.items()}
    matched = torch.cat(
        [means[g][torch.arange(len(order)), order] for g, order in permutations.items()]
    )
    return permutations, matched.mean().item()


def _samples(x: Tensor) -> Tensor:
    """Return (N, C, H, W) as (N H W, C): a view where the memory is channels-last."""
    return x.permute(0, 2, 3, 1).flatten(0, 2)


def _sums(a: Tensor, b: Tensor) -> _Sums:
    """Sum one batch in float32 or better: a sum that is rounded to bfloat16 loses its covariance.

    This runs within the forward pass, whose autocast would round it.
    """
    wide = torch.promote_types(a.dtype, torch.float32)
    block = BLOCK_ROWS if a.device.type == "cpu" else len(a)
    with torch.autocast(a.device.type, enabled=False):
        total: list[Tensor] = []
        for part_a, part_b in zip(torch.split(a, block), torch.split(b, block), strict=True):
            x, y = part_a.to(wide), part_b.to(wide)
            # Sums over rows as products: on a CPU several times faster than reductions.
            ones = x.new_ones(len(x))
            sums = [ones @ x, ones @ y, ones @ (x * x), ones @ (y * y), x.T @ y]
            total = (
                [s + t.double() for s, t in zip(total, sums, strict=True)]
                if total
                else [t.double() for t in sums]
            )
    return _Sums(len(a), *total)


@contextmanager
def watching(
    network: nn.Module, taps: list[Tap], see: Callable[[Tap, Tensor], None]
) -> Iterator[None]:
    """Call `see` with the activations of each tap during every forward pass."""
    handles = []
    for tap in taps:
        module = network.get_submodule(tap.module)
        if tap.side == "input":

            def before(module: nn.Module, inputs: tuple[Tensor, ...], tap: Tap = tap) -> None:
                see(tap, inputs[0])

            handles.append(module.register_forward_pre_hook(before))
        else:

            def after(module: nn.Module, inputs: object, output: Tensor, tap: Tap = tap) -> None:
                see(tap, output)

            handles.append(module.register_forward_hook(after))
    try:
        yield
    finally:
        for handle in handles:
            handle.remove()
