"""Planted permutations of heads and of the groups of convolutions."""

import pytest
import torch
from torchvision import models

from symscape.landscape.alignment import match_activations, match_weights, permute_state
from symscape.landscape.alignment.blocks import best_blocks
from symscape.landscape.alignment.permutation import random_permutations
from symscape.models.permutations import permutation_spec
from tests.models.permutations.checks import awake, images
from tests.models.permutations.nets import NETS, SIZE

OTHERS = {
    "resnext": lambda: models.ResNet(
        models.resnet.Bottleneck, [1, 1, 1, 1], groups=4, width_per_group=8, num_classes=5
    ),
    "swin": lambda: models.SwinTransformer([4, 4], 16, [2, 2], [2, 4], [2, 2], num_classes=5),
}


def planted(make):
    torch.manual_seed(0)
    net, other = awake(make()), awake(make())
    x = images(32 if make in OTHERS.values() else SIZE, count=24)
    spec = permutation_spec(net, x[:2])
    state = {name: tensor.clone() for name, tensor in net.state_dict().items()}
    drawn = random_permutations(spec, torch.Generator().manual_seed(1))
    moved = permute_state(state, spec, drawn)
    other.load_state_dict(moved)
    return spec, state, moved, (net, other), x


def same(a, b) -> bool:
    return all(torch.equal(tensor, b[name]) for name, tensor in a.items())


@pytest.mark.parametrize("name", ["groups", "attention"])
def test_weights_and_activations_find_planted_blocks(name):
    spec, state, moved, nets, x = planted(NETS[name])
    assert spec.inner and not same(state, moved)
    order, cosine = match_weights(state, moved, spec, restarts=0)
    assert same(permute_state(moved, spec, order), state)
    assert cosine == pytest.approx(1)
    order, similarity = match_activations(*nets, spec, [(x, None)])
    assert same(permute_state(moved, spec, order), state)
    assert similarity == pytest.approx(1, abs=1e-6)


@pytest.mark.slow
@pytest.mark.parametrize("name", [*OTHERS, "encoder", "grouped queries", "transposed groups"])
def test_planted_blocks_are_found_in_larger_networks(name):
    spec, state, moved, nets, x = planted((OTHERS | NETS)[name])
    order, _ = match_weights(state, moved, spec, restarts=0)
    assert same(permute_state(moved, spec, order), state)
    if name != "resnext":  # At 32 pixels some of its channels never fire: they are free.
        order, _ = match_activations(*nets, spec, [(x, None)])
        assert same(permute_state(moved, spec, order), state)


def test_blocks_are_assigned_by_the_best_that_can_be_done_within():
    generator = torch.Generator().manual_seed(0)
    similar = torch.rand(3, 3, 2, 2, generator=generator, dtype=torch.float64)
    blocks, (orders,), _ = best_blocks([similar], torch.zeros(3, 3, dtype=torch.float64))
    straight = similar.diagonal(dim1=-2, dim2=-1).sum(-1)
    crossed = similar.flip(-1).diagonal(dim1=-2, dim2=-1).sum(-1)
    best = torch.maximum(straight, crossed)
    every = [
        sum(best[h, p] for h, p in enumerate(order)) for order in torch.tensor(list(PERMUTATIONS))
    ]
    assert sum(best[h, blocks[h]] for h in range(3)) == pytest.approx(max(every))
    for h, order in enumerate(orders):
        assert (order.tolist() == [0, 1]) is bool(straight[h, blocks[h]] >= crossed[h, blocks[h]])


PERMUTATIONS = [(0, 1, 2), (0, 2, 1), (1, 0, 2), (1, 2, 0), (2, 0, 1), (2, 1, 0)]
