"""Alignment by activations: channels that respond alike to the same images are matched.

Li et al. 2015, "Convergent learning"; Tatro et al. 2020, "Optimizing mode connectivity via neuron
alignment". For each tap, the correlation over all images and pixels of each channel of A with each
of B; a group's similarity is the mean over its taps, and one linear assignment maximises it.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Mapping
from contextlib import contextmanager

import torch
from torch import Tensor, nn

from symscape.landscape.alignment.blocks import Unit, best_blocks, units
from symscape.landscape.alignment.correlation import Sums, mean_of, sums_of
from symscape.landscape.alignment.permutation import (
    assign_places,
    identity_permutations,
    similarity_of,
)
from symscape.landscape.alignment.weights import complete
from symscape.models.permutations.spec import PermutationSpec, Tap, side_by_side


@torch.inference_mode()
def match_activations(
    a: nn.Module, b: nn.Module, spec: PermutationSpec, batches: Iterable[tuple[Tensor, Tensor]]
) -> tuple[dict[str, Tensor], float]:
    """Return the permutations that bring B's channels to A's, and the mean correlation of pairs.

    Groups that no tap sees are matched by weights, the others held.

    Cost: one forward pass of each network over all batches, and a C x C product a tap.

    Args:
        a: a network in eval mode.
        b: another one of its architecture.
        spec: their permutation groups.
        batches: pairs of images and labels; the labels are not used.
    """
    totals: dict[Tap, Sums] = {}

    def rows(tap: Tap, x: Tensor) -> Tensor:
        samples = _samples(x, tap.axis)
        return _pooled(tap, samples) if _is_pooled(tap, spec) else samples

    for images, _ in batches:
        seen: dict[Tap, Tensor] = {}

        def keep(tap: Tap, x: Tensor, seen: dict[Tap, Tensor] = seen) -> None:
            seen[tap] = x

        def compare(tap: Tap, x: Tensor, seen: dict[Tap, Tensor] = seen) -> None:
            samples, before = (rows(tap, seen.pop(tap)), rows(tap, x)), totals.get(tap)
            means = before.means if before else (mean_of(samples[0]), mean_of(samples[1]))
            sums = sums_of(*samples, means)
            totals[tap] = before.add(sums) if before else sums

        with watching(a, spec.taps, keep):
            a(images)
        with watching(b, spec.taps, compare):
            b(images)
    if spec.taps and not totals:
        raise ValueError("batches: there is no image to align by")
    found, matched = _assign_groups(spec, totals)
    if found.keys() < spec.sizes.keys():
        start = identity_permutations(spec) | found
        found = complete(a.state_dict(), b.state_dict(), spec, start, found.keys())
    return found, matched


def _assign_groups(
    spec: PermutationSpec, totals: dict[Tap, Sums]
) -> tuple[dict[str, Tensor], float]:
    """Return the permutations of all groups that a tap sees, and the mean correlation of pairs."""
    correlations = {tap: sums.correlation().cpu() for tap, sums in totals.items()}
    similar: dict[str, list[Tensor]] = {group: [] for group in spec.plain()}
    for tap, correlation in correlations.items():
        for group, places in _columns(tap, spec).items():
            if group in similar:
                similar[group].append(_by_channel(correlation, places, spec.moves(group)))
    means = {group: torch.stack(blocks).mean(0) for group, blocks in similar.items() if blocks}
    permutations = {g: assign_places(mean, spec.moves(g)) for g, mean in means.items()}
    matched = [similarity_of(means[g], spec.moves(g), order) for g, order in permutations.items()]
    for unit in units(spec):
        found, values = _assign_blocks(unit, correlations)
        permutations |= found
        matched += values
    return permutations, torch.cat(matched).mean().item() if matched else 0.0


def _assign_blocks(
    unit: Unit, correlations: dict[Tap, Tensor]
) -> tuple[dict[str, Tensor], list[Tensor]]:
    """Return the permutations of a unit's groups that a tap sees, and the correlations of pairs."""
    seen = {}
    for r, groups in enumerate(unit.classes):
        each = []
        for tap, correlation in correlations.items():
            if all(group in tap.channels for group in groups):
                places = torch.stack([tap.channels[group] for group in groups])  # (H, n, m)
                left, right = places[:, None, :, None], places[None, :, None, :]
                each.append(correlation[left, right].mean(-1))
        if each:
            seen[r] = torch.stack(each).mean(0)
    if not seen:
        return {}, []
    blocks = len(unit.classes[0])
    order, within, _ = best_blocks(seen.values(), torch.zeros(blocks, blocks, dtype=torch.float64))
    found, matched = {unit.outer: order}, []
    for (r, similar), orders in zip(seen.items(), within, strict=True):
        found |= dict(zip(unit.classes[r], orders, strict=True))
        pairs = similar[torch.arange(blocks), order]
        matched.append(pairs.gather(2, orders[..., None]).flatten())
    return found, matched


def _is_pooled(tap: Tap, spec: PermutationSpec) -> bool:
    """Say whether the places of a channel are pixels of a flattened map: then they are samples."""
    counts = {places.shape[1] for places in tap.channels.values()}
    plain = set(spec.plain()) - spec.translations.keys()
    return counts != {1} and len(counts) == 1 and tap.channels.keys() <= plain


def _pooled(tap: Tap, samples: Tensor) -> Tensor:
    """Return (N m, C) samples of channels with m places each."""
    places = torch.cat([*tap.channels.values()]).to(samples.device)
    return samples[:, places].transpose(1, 2).flatten(0, 1)


def _columns(tap: Tap, spec: PermutationSpec) -> Mapping[str, Tensor]:
    """Return the columns of each group's channels among the samples."""
    if not _is_pooled(tap, spec):
        return tap.channels
    sizes = [len(places) for places in tap.channels.values()]
    return dict(zip(tap.channels, side_by_side(sizes, sum(sizes)), strict=True))


def _by_channel(correlation: Tensor, places: Tensor, moves: Tensor) -> Tensor:
    """Return (T, n, n): the mean over a channel's places (n, m), translated in T ways."""
    line = places.T
    if len(line) == 1:
        return correlation[line[0]][:, line[0]].expand(len(moves), -1, -1)
    moves = moves if moves.shape[1] == len(line) else torch.arange(len(line))[None]
    pairs = [(line[:, :, None], line[move][:, None, :]) for move in moves]
    return torch.stack([correlation[left, right].mean(0) for left, right in pairs])


def _samples(x: Tensor, axis: int = 1) -> Tensor:
    """Return x as (samples, C): a view where channels are last in memory; (N, C) as it is."""
    return x.movedim(axis, -1).flatten(0, -2)


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
