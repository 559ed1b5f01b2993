"""Tiny networks: all groups are right, each slot is needed, and little is held that could move."""

from dataclasses import replace

import pytest
import torch

from symscape.models.permutations.derive import derived_groups
from tests.models.permutations.checks import awake, change, checked, images
from tests.models.permutations.nets import HELD, NETS, SIZE

FAST = {"groups", "flat", "time shift"}
LONG = [pytest.mark.slow, pytest.mark.long]
OTHERS = [name for name in NETS if name != "residual"]
each = [pytest.param(n, marks=[] if n in FAST else [pytest.mark.slow]) for n in NETS]


def made(name: str):
    torch.manual_seed(0)
    return NETS[name]()


@pytest.mark.parametrize("name", each)
def test_permuting_the_groups_leaves_the_function_alone(name):
    spec = checked(made(name), images(SIZE))
    stem = {slot.entry for slots in spec.slots.values() for slot in slots}
    assert bool(stem & {"stem.0.weight", "stem.weight", "patch.weight"}) is (name not in HELD)


def without(spec, group, i):
    slots = [slot for j, slot in enumerate(spec.slots[group]) if j != i]
    return replace(spec, slots={group: slots}, sizes={group: spec.sizes[group]}, inner={})


@pytest.mark.parametrize(
    "name", ["residual", *(pytest.param(n, marks=LONG) for n in NETS if n != "residual")]
)
def test_leaving_one_slot_out_changes_the_function(name):
    network = awake(made(name))
    spec = derived_groups(network, images(SIZE))
    for group in spec.outer():
        for i in range(len(spec.slots[group])):
            some = [change(network, images(SIZE), without(spec, group, i), seed) for seed in (0, 1)]
            assert max(some) > 1e-7, (group, spec.slots[group][i].entry)


def test_what_is_held_is_said():
    spec = checked(made("sorted"), images(SIZE))
    assert spec.held["sort"] >= 8 and spec.coverage < 0.8
    assert "sort" in spec.describe_held() and "% of places held by" in spec.describe_held()


def test_heads_have_two_inner_groups_each():
    spec = checked(made("attention"), images(SIZE))
    (blocks,) = spec.inner.values()
    assert [[spec.sizes[group] for group in each] for each in blocks] == [[4, 4], [4, 4]]
