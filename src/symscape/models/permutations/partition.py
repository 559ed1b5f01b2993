"""From facts to groups: which channels look alike wherever they are met.

Channels are the connected components of numbers that are the same. A channel lies in one block at
most; blocks that share a channel become one. Numbers are coloured by their facts until no further
round tells more of them apart (Weisfeiler and Leman 1968). Where all numbers of a channel differ in
colour, it can be laid onto another one of the same colours in one way, and that keeps all facts:
such channels of one block form a group.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray
from scipy.sparse import coo_array
from scipy.sparse.csgraph import connected_components

from symscape.models.permutations.walk.facts import Facts, Numbers

Colours = NDArray[np.uint64]
DEEPEST = 8
"""Blocks within blocks."""


@dataclass(frozen=True)
class Partition:
    """Channels of a network and what they may do."""

    channel: Numbers
    """Of each number."""
    block: Numbers
    """Of each channel, the channel that it lies within; -1: none."""
    colour: Colours
    """Of each number."""
    kind: Colours
    """Of each channel: those of one block and one kind may swap."""
    movable: NDArray[np.bool_]
    """Of each channel: its numbers all differ, and so do those of the blocks around it."""


def partition(facts: Facts) -> Partition:
    """Return the channels of a network, with their blocks and colours."""
    same, inside = facts.same.arrays(5), facts.inside.arrays(5)
    channel, block, sound = _channels(facts.count, same[1:3], inside[1:3])
    colour = _first_colours(facts)
    while True:
        fresh = _refined(colour, channel, same, inside)
        settled = len(np.unique(fresh)) == len(np.unique(colour))
        colour = fresh
        if settled:
            break
    kind = _sums(channel, _mixed(colour))
    pairs = np.unique(np.stack([channel.astype(np.uint64), colour]), axis=1)
    movable = sound & (np.bincount(channel) == np.bincount(pairs[0].astype(np.int64)))
    while True:  # What lies within a block that cannot be told stays too.
        within = movable & ((block < 0) | movable[block])
        if (within == movable).all():
            return Partition(channel, block, colour, kind, movable)
        movable = within


def _channels(
    count: int, same: tuple[Numbers, ...], inside: tuple[Numbers, ...]
) -> tuple[Numbers, Numbers, NDArray[np.bool_]]:
    """Return the channel of each number, the block of each channel, and whether it makes sense."""
    left, right = same
    while True:
        channel = _components(count, left, right)
        child, parent = channel[inside[0]], channel[inside[1]]
        pairs = np.unique(np.stack([child, parent]), axis=1)
        shared = np.flatnonzero(pairs[0, 1:] == pairs[0, :-1])
        if not len(shared):
            break
        first = _first_numbers(channel)
        left = np.concatenate([left, first[pairs[1, shared]]])
        right = np.concatenate([right, first[pairs[1, shared + 1]]])
    total = int(channel.max()) + 1 if count else 0
    block = np.full(total, -1)
    block[pairs[0]] = pairs[1]
    return channel, block, _ends(block)


def _ends(block: Numbers) -> NDArray[np.bool_]:
    """Return for each channel whether the blocks around it come to an end."""
    at = block
    for _ in range(DEEPEST):
        at = np.where(at < 0, -1, block[at])
    return np.asarray(at < 0)


def _components(count: int, left: Numbers, right: Numbers) -> Numbers:
    graph = coo_array((np.ones(len(left), bool), (left, right)), shape=(count, count))
    return np.asarray(connected_components(graph, directed=False)[1], np.int64)


def _first_numbers(channel: Numbers) -> Numbers:
    return np.unique(channel, return_index=True)[1]


def _first_colours(facts: Facts) -> Colours:
    key, number, place = facts.seen.arrays(3)
    colour = np.zeros(facts.count, np.uint64)
    np.add.at(colour, number, _mixed(key, place))
    return _mixed(colour)


def _refined(
    colour: Colours, channel: Numbers, same: tuple[Numbers, ...], inside: tuple[Numbers, ...]
) -> Colours:
    """Return colours that tell what the facts say of the colours around, too."""
    fresh = _mixed(colour) + _mixed(_sums(channel, _mixed(colour)))[channel]
    for side, (key, n, m, p, q) in enumerate((same, inside)):
        np.add.at(fresh, n, _mixed(key, p, q, 2 * side, colour[m]))
        np.add.at(fresh, m, _mixed(key, p, q, 2 * side + 1, colour[n]))
    return _mixed(fresh)


def _sums(channel: Numbers, values: Colours) -> Colours:
    total = np.zeros(int(channel.max()) + 1 if len(channel) else 0, np.uint64)
    np.add.at(total, channel, values)
    return total


def _mixed(*columns: Numbers | Colours | int) -> Colours:
    """Return a hash of columns of integers (the finaliser of SplitMix64, Steele et al. 2014)."""
    state: Colours = np.zeros(1, np.uint64)
    for column in columns:
        each = np.asarray(column).astype(np.uint64)
        state = state + np.uint64(0x9E3779B97F4A7C15) + each
        state = (state ^ (state >> np.uint64(30))) * np.uint64(0xBF58476D1CE4E5B9)
        state = (state ^ (state >> np.uint64(27))) * np.uint64(0x94D049BB133111EB)
        state = state ^ (state >> np.uint64(31))
    return state
