"""Groups of channels, and the places in the state dict where they sit."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field

import numpy as np
import torch
from torch import Tensor

from symscape.models.permutations.partition import Partition
from symscape.models.permutations.spec import Slot
from symscape.models.permutations.walk.facts import Facts, Numbers
from symscape.models.permutations.walk.labels import Axes, Label

Owned = tuple[Numbers, Numbers, Numbers]
"""Of each number: its group, its channel in the group, its rank in the channel; -1: none."""


@dataclass
class Groups:
    """Groups in the order of their first numbers, blocks before what lies within them."""

    members: list[Numbers]
    """The channels of each group, in the order of their first numbers."""
    depth: list[int]
    """0: within no other group."""
    parent: list[tuple[int, int]] = field(default_factory=list)
    """The group of blocks and the block that each lies in; (-1, -1): none."""


def grouped(part: Partition) -> Groups:
    """Return the groups: movable channels of one block and one kind, two at least."""
    first = np.unique(part.channel, return_index=True)[1]
    order = np.argsort(first, kind="stable")
    found: dict[tuple[int, int], list[int]] = {}
    for channel in order[part.movable[order]].tolist():
        found.setdefault((int(part.block[channel]), int(part.kind[channel])), []).append(channel)
    groups = [(block, channels) for (block, _), channels in found.items() if len(channels) > 1]
    at = {c: (g, i) for g, (_, channels) in enumerate(groups) for i, c in enumerate(channels)}
    parents = [_parent(block, part.block, at) for block, _ in groups]
    depths = [_depth(g, parents) for g in range(len(groups))]
    turn = sorted(range(len(groups)), key=lambda g: (depths[g], first[groups[g][1][0]]))
    place = {g: i for i, g in enumerate(turn)} | {-1: -1}
    return Groups(
        [np.array(groups[g][1]) for g in turn],
        [depths[g] for g in turn],
        [(place[parents[g][0]], parents[g][1]) for g in turn],
    )


def _parent(block: int, blocks: Numbers, at: Mapping[int, tuple[int, int]]) -> tuple[int, int]:
    """Return the nearest block around that is in a group."""
    while block >= 0 and block not in at:
        block = int(blocks[block])
    return at.get(block, (-1, -1))


def _depth(group: int, parents: list[tuple[int, int]]) -> int:
    depth = 0
    while (group := parents[group][0]) >= 0:
        depth += 1
    return depth


def ranked(part: Partition, groups: Groups, depth: int) -> Owned:
    """Return where each number belongs among the groups of one depth.

    Within a channel numbers are ranked by what tells them apart alone, so that equal ranks of two
    channels are the same thing: by the kinds of the channels within, then by colour.
    """
    count = len(part.channel)
    group, index = (np.full(len(part.block), -1) for _ in range(2))
    for g, members in enumerate(groups.members):
        if groups.depth[g] == depth:
            group[members], index[members] = g, np.arange(len(members))
    path = _paths(part)
    top = np.full(len(part.block), -1)
    for level in path:  # The channel itself, the block around it, ...
        at = np.where(level >= 0, group[level], -1)
        top = np.where((top < 0) & (at >= 0), level, top)
    owner = top[part.channel]
    own_group = np.where(owner >= 0, group[owner], -1)
    own_index = np.where(owner >= 0, index[owner], -1)
    rank = np.full(count, -1)
    some = np.flatnonzero(owner >= 0)
    order = some[np.lexsort(_sort_keys(part, path, owner, some))]
    starts = np.flatnonzero(np.r_[True, owner[order][1:] != owner[order][:-1]])
    sizes = np.diff(np.r_[starts, len(order)])
    rank[order] = np.arange(len(order)) - np.repeat(starts, sizes)
    return own_group, own_index, rank


def _paths(part: Partition) -> list[Numbers]:
    """Return for each channel itself, the block around it, the one around that."""
    path = [np.arange(len(part.block))]
    while (path[-1] >= 0).any():
        path.append(np.where(path[-1] >= 0, part.block[path[-1]], -1))
    return path[:-1]


def _sort_keys(
    part: Partition, path: list[Numbers], owner: Numbers, some: Numbers
) -> list[Numbers]:
    """Return keys, the last one first: owner, then kind and channel of each level, then colour."""
    first = np.unique(part.channel, return_index=True)[1]
    keys: list[Numbers] = [owner[some]]
    channel = part.channel[some]
    for level in reversed(path):
        at = level[channel]
        # Levels around the owner are the same for all of its numbers.
        keys.append(np.where(at >= 0, part.kind[at].view(np.int64), 0))
        keys.append(np.where(at >= 0, first[at], 0))
    keys.append(part.colour[some].view(np.int64))
    return keys[::-1]


def slots_of(entry: str, labels: Sequence[Label], owned: Owned) -> Iterator[tuple[int, Slot]]:
    """Yield groups of one depth and their slots in an entry.

    Labels that share axes (inputs and outputs of a convolution in groups) make one slot, whose
    places are those of both together; a group whose channels would share a place has no slot.

    Raises:
        ValueError: channels of a group sit at unequal numbers of places.
    """
    for cluster in _clusters(labels):
        axes = frozenset[int]().union(*(label.axes for label in cluster))
        span = (min(axes), max(axes))
        shape = labels[0].numbers.shape[span[0] : span[1] + 1]
        where = [_along(label, span) for label in cluster]
        present = {int(g) for numbers in where for g in np.unique(owned[0][numbers])} - {-1}
        for group in sorted(present):
            places = _places(group, where, owned)
            yield group, _slot(entry, span, tuple(shape), places)


def _clusters(labels: Sequence[Label]) -> list[list[Label]]:
    found: list[tuple[Axes, list[Label]]] = []
    for label in labels:
        apart = [each for each in found if not each[0] & label.axes]
        met = [each for each in found if each[0] & label.axes]
        axes = label.axes.union(*(each[0] for each in met))
        found = [*apart, (axes, [one for each in met for one in each[1]] + [label])]
    return [cluster for _, cluster in found]


def _along(label: Label, span: tuple[int, int]) -> Numbers:
    """Return the numbers of a label along the line of some axes."""
    numbers = label.numbers
    for axis in range(numbers.dim()):
        if not span[0] <= axis <= span[1]:
            numbers = numbers.narrow(axis, 0, 1)
    return np.asarray(numbers.flatten().numpy())


def _places(group: int, where: Sequence[Numbers], owned: Owned) -> Numbers:
    """Return the places (n, m) of a group's channels along a line."""
    groups, indices, ranks = owned
    index = np.full(len(where[0]), -1)
    keys = []
    for numbers in where:
        mine = groups[numbers] == group
        clash = mine & (index >= 0) & (index != indices[numbers])
        if clash.any():
            raise ValueError("channels of one group share a place")
        index = np.where(mine, indices[numbers], index)
        keys.append(np.where(mine, ranks[numbers], -1))
    some = np.flatnonzero(index >= 0)
    order = some[np.lexsort([some, *(key[some] for key in keys[::-1]), index[some]])]
    counts = np.bincount(index[some])
    if len(set(counts.tolist())) != 1:
        raise ValueError("channels of one group sit at unequal numbers of places")
    return order.reshape(len(counts), -1)


def _slot(entry: str, span: tuple[int, int], shape: tuple[int, ...], places: Numbers) -> Slot:
    """Return a slot along as few axes as say the same: whole rows need no columns."""
    found: Tensor = torch.from_numpy(places)
    first, last = span
    while last > first and found.shape[1] % shape[-1] == 0:
        rows = found.view(len(found), -1, shape[-1])
        if not torch.equal(rows - rows[..., :1], torch.arange(shape[-1]).expand_as(rows)):
            break
        found, shape, last = rows[..., 0] // shape[-1], shape[:-1], last - 1
    return Slot(entry, (first, last), found)


def held_counts(
    facts: Facts, part: Partition, groups: Groups, entries: Mapping[str, Sequence[Label]]
) -> tuple[dict[str, int], float]:
    """Return the places that are held still, by what holds them, and the share that is not.

    Places are indices along the axes of entries; taps of kernels and logits do not count.
    """
    counts = np.zeros(facts.count, bool)
    for labels in entries.values():
        for label in labels:
            counts[np.unique(label.small()[0].numpy())] = True
    within = np.zeros(len(part.block), bool)
    for members in groups.members:
        within[members] = True
    for level in _paths(part)[1:]:  # Channels in a block that moves move with it.
        within |= np.where(level >= 0, within[level], False)
    free = within[part.channel]
    held = facts.held(part.channel, counts & ~free)
    logits = held.pop("output", 0)
    total = int(counts.sum()) - logits
    return dict(held), 1 - sum(held.values()) / max(1, total)
