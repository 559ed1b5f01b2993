"""What may be permuted in a network: groups of channels, and where each of them sits.

A permutation group is a set of places in a state dict that one permutation must move together to
leave the network's function alone. Channel i of a group sits, in a slot, at m places along some
axes of an entry, flattened: one for a plain convolution, one a pixel behind a flattened map, one a
row for a head of attention.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from functools import cached_property

import torch
from torch import Tensor


@dataclass(frozen=True, eq=False)
class Slot:
    """Where the channels of a group sit in an entry of the state dict."""

    entry: str
    axes: tuple[int, int]
    """First and last of the axes that are flattened to one line."""
    places: Tensor
    """(n, m) int64: channel i sits at m places of the line."""

    def line(self, tensor: Tensor) -> Tensor:
        """Return a tensor with the line as its first axis."""
        first, last = self.axes
        return tensor.flatten(first, last).movedim(first, 0)

    def rows(self, tensor: Tensor) -> Tensor:
        """Return what belongs to each channel of a tensor: (n, m times the rest)."""
        line = self.line(tensor)
        if not (self.in_order and self.places.numel() == len(line)):
            line = line[self.places.flatten().to(line.device)]
        return line.reshape(len(self.places), -1).contiguous()

    @cached_property
    def in_order(self) -> bool:
        """Whether places follow each other from the start of the line."""
        flat = self.places.flatten()
        return torch.equal(flat, torch.arange(len(flat)))

    def moved(self, tensor: Tensor, order: Tensor) -> Tensor:
        """Return a tensor whose channels are in another order.

        Args:
            tensor: of any layout.
            order: (n,) int64, the old channel of each place; or (n N,) where channels have N
                elements each, which move too where the slot has a place for each.
        """
        n, m = self.places.shape
        if len(order) > n and m == 1:  # One place for all elements of a channel.
            order = order[:: len(order) // n] // (len(order) // n)
        first, last = self.axes
        line = torch.arange(tensor.shape[first : last + 1].numel())
        line[self.places.flatten()] = self.places.reshape(len(order), -1)[order].flatten()
        flat = tensor.flatten(first, last).index_select(first, line.to(tensor.device))
        return flat.reshape(tensor.shape)


@dataclass(frozen=True, eq=False)
class Tap:
    """A place in the network where channels can be watched."""

    module: str
    side: str
    """`input` or `output` of the module."""
    axis: int
    """Of the tensor, along which the channels lie."""
    channels: Mapping[str, Tensor]
    """For each group the places (n, m) of its channels along the axis."""


@dataclass
class PermutationSpec:
    """The permutation groups of one network, blocks before the channels within them."""

    sizes: dict[str, int] = field(default_factory=dict)
    """Channels in each group."""
    slots: dict[str, list[Slot]] = field(default_factory=dict)
    """Where they sit."""
    taps: list[Tap] = field(default_factory=list)
    translations: dict[str, Tensor] = field(default_factory=dict)
    """Of groups whose channels have N > 1 elements: (T, N), int64, what each translation does to
    the elements of a channel. A slot has N places for a channel; that of a norm, say, has one."""
    inner: dict[str, list[list[str]]] = field(default_factory=dict)
    """Of groups of blocks (heads, groups of a convolution): for each block the groups within it,
    in the same order for all. They are permuted after the blocks, where those have come to lie."""
    held: dict[str, int] = field(default_factory=dict)
    """Places that must stay, by what holds them."""
    coverage: float = 1.0
    """Share of all places of channels, logits apart, that are in a group."""

    def moves(self, group: str) -> Tensor:
        """Return what the translations do to a channel's elements; one element: nothing."""
        return self.translations.get(group, torch.zeros(1, 1, dtype=torch.int64))

    def entries(self) -> dict[str, list[tuple[str, Slot]]]:
        """Return the groups and slots of each entry of the state dict, blocks first."""
        found: dict[str, list[tuple[str, Slot]]] = {}
        for group in self.sizes:
            for slot in self.slots.get(group, []):
                found.setdefault(slot.entry, []).append((group, slot))
        return found

    def outer(self) -> list[str]:
        """Return the groups that lie within no other one."""
        within = {group for blocks in self.inner.values() for each in blocks for group in each}
        return [group for group in self.sizes if group not in within]

    def plain(self) -> list[str]:
        """Return the groups of channels that are no blocks and lie in none."""
        return [group for group in self.outer() if group not in self.inner]

    def describe_held(self) -> str:
        """Return what holds how many places, in a line; nothing where none is held."""
        share = f"{100 * (1 - self.coverage):.2g} % of places held by "
        most = sorted(self.held.items(), key=lambda each: -each[1])
        return share + ", ".join(name for name, _ in most) if most else ""


def side_by_side(sizes: Iterable[int], length: int) -> list[Tensor]:
    """Return the places (n, m) of groups that lie along an axis of this length in turn."""
    sizes = list(sizes)
    each, start, found = length // max(1, sum(sizes)), 0, []
    for size in sizes:
        found.append(torch.arange(start, start + size * each).view(size, each))
        start += size * each
    return found
