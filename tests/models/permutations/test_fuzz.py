"""Random graphs: whatever the operations and their order, all groups are right."""

import pytest
import torch

from symscape.models.permutations.derive import derived_groups
from tests.models.permutations.checks import awake, change, images
from tests.models.permutations.fuzz import Graph


def check(seeds: range) -> None:
    movable = 0
    for seed in seeds:
        torch.manual_seed(seed)
        network = awake(Graph(seed), seed)
        spec = derived_groups(network, images(6))
        movable += len(spec.sizes)
        for again in (0, 1):
            assert change(network, images(6), spec, again) < 1e-10, seed
    assert movable > len(seeds)


def test_groups_of_random_graphs():
    check(range(4))


@pytest.mark.slow
@pytest.mark.long
def test_groups_of_many_random_graphs():
    check(range(4, 200))
