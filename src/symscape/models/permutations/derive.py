"""The permutation groups of any feed-forward network, from its graph."""

from __future__ import annotations

from torch import Tensor, nn

from symscape.models.permutations.partition import partition
from symscape.models.permutations.slots import (
    Groups,
    Owned,
    grouped,
    held_counts,
    ranked,
    slots_of,
)
from symscape.models.permutations.spec import PermutationSpec, Slot, Tap
from symscape.models.permutations.walk.graph import walk_along
from symscape.models.permutations.walk.labels import Value


def derived_groups(network: nn.Module, example: Tensor) -> PermutationSpec:
    """Return the permutation groups of a network.

    Raises:
        SymscapeError: torch.export cannot trace the network.
    """
    graph = walk_along(network, example)
    part = partition(graph.walk.facts)
    groups = grouped(part)
    depths = range(max(groups.depth, default=-1) + 1)
    owned = [ranked(part, groups, depth) for depth in depths]
    spec, slots = PermutationSpec(), dict[int, list[Slot]]()
    aliases = _aliases(network)
    for entry, labels in graph.parameters.items():
        for each in owned:
            for group, slot in slots_of(entry, labels, each) if labels else ():
                slots.setdefault(group, []).extend(
                    Slot(name, slot.axes, slot.places) for name in aliases[entry]
                )
    names = _names(groups, slots)
    for g, name in names.items():
        spec.sizes[name], spec.slots[name] = len(groups.members[g]), slots[g]
    _name_inner(spec, groups, names, [int(part.kind[each[0]]) for each in groups.members])
    for entry, value in graph.readers:
        tap = _tap(network, entry, value, owned, names)
        if tap is not None and graph.calls[entry] == 1:
            spec.taps.append(tap)
    spec.held, spec.coverage = held_counts(graph.walk.facts, part, groups, graph.parameters)
    return spec


def _aliases(network: nn.Module) -> dict[str, list[str]]:
    """Return for each entry of the state dict all entries that are the same tensor."""
    by_tensor: dict[int, list[str]] = {}
    state = network.state_dict(keep_vars=True)
    for name, tensor in state.items():
        by_tensor.setdefault(id(tensor), []).append(name)
    return {name: by_tensor[id(tensor)] for name, tensor in state.items()}


def _names(groups: Groups, slots: dict[int, list[Slot]]) -> dict[int, str]:
    """Name each group that has places after its first one, blocks before what lies in them."""
    names: dict[int, str] = {}
    for g in range(len(groups.members)):
        if g not in slots:
            continue
        name = slots[g][0].entry
        parent, block = groups.parent[g]
        if parent in names:
            name = f"{names[parent]}/{block}/{name}"
        taken, count = set(names.values()), 2
        plain = name
        while name in taken:
            name, count = f"{plain}:{count}", count + 1
        names[g] = name
    return names


def _name_inner(
    spec: PermutationSpec, groups: Groups, names: dict[int, str], kinds: list[int]
) -> None:
    """List what lies within blocks, in the same order of kinds for all."""
    for g, name in sorted(names.items(), key=lambda each: kinds[each[0]]):
        parent, block = groups.parent[g]
        if parent in names:
            blocks = spec.inner.setdefault(
                names[parent], [[] for _ in range(len(groups.members[parent]))]
            )
            blocks[block].append(name)


def _tap(
    network: nn.Module, entry: str, value: Value, owned: list[Owned], names: dict[int, str]
) -> Tap | None:
    """Return a tap at what a layer reads; None where nothing moves there."""
    module = entry.rpartition(".")[0]
    kinds = (nn.Linear, nn.Conv1d, nn.Conv2d, nn.Conv3d)
    layer = network.get_submodule(module)
    if not isinstance(layer, kinds):
        return None
    axis = len(value.shape) - 1 if isinstance(layer, nn.Linear) else 1
    channels: dict[str, Tensor] = {}
    for label in value.labels:
        if label.axes != {axis}:
            continue
        for each in owned:
            for group, slot in slots_of(module, [label], each):
                if group in names:
                    channels[names[group]] = slot.places
    return Tap(module, "input", axis, channels) if channels else None
