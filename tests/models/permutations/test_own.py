"""Derived groups of our own networks are those that were written by hand."""

import pytest

from symscape.models.permutations import permutation_spec
from symscape.models.permutations.derive import derived_groups
from tests.landscape.nets import images, network

VARIANTS = [{"name": "resnet20", "width": 2, "shortcut": "pad", "norm": "batch"}]
OTHERS = [
    {"name": name, "width": 2, "shortcut": shortcut, "norm": norm}
    for name in ("resnet20", "resnet18", "resnet56")
    for shortcut in ("conv", "pad")
    for norm in ("batch", "layer")
]


def groups(spec) -> set[tuple]:
    """Each group as where its channels sit, in an order that does not depend on its name."""
    found = set()
    for slots in spec.slots.values():
        first = min(slots, key=lambda slot: (slot.entry, slot.axes))
        order = first.places[:, 0].argsort()
        places = [(s.entry, s.axes, str(s.places[order].tolist())) for s in slots]
        found.add(tuple(sorted(places)))
    return found


def check(variant) -> None:
    net = network(**variant)
    derived, written = derived_groups(net, images(2)), permutation_spec(net)
    assert groups(derived) == groups(written)
    # Convolutions in shortcuts read every second pixel of what others read: tensors of their own.
    shortcuts = len(net.stages) - 1 if variant["shortcut"] == "conv" else 0
    assert len(derived.taps) == len(written.taps) + shortcuts
    assert derived.held == {"input": 3}
    assert {group for tap in derived.taps for group in tap.channels} == set(derived.sizes)


@pytest.mark.parametrize("variant", VARIANTS, ids=lambda v: "-".join(map(str, v.values())))
def test_derived_groups_are_those_written_by_hand(variant):
    check(variant)


@pytest.mark.slow
@pytest.mark.long
@pytest.mark.parametrize("variant", OTHERS, ids=lambda v: "-".join(map(str, v.values())))
def test_derived_groups_of_other_networks_are_those_written_by_hand(variant):
    check(variant)
