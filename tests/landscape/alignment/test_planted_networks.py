"""Planted permutations of whole networks of torchvision, taken away by weights."""

import pytest
import torch
from torch.nn.functional import cross_entropy
from torchvision import models

from symscape.landscape.alignment import match_weights, permute_state
from symscape.landscape.alignment.permutation import random_permutations
from symscape.models.permutations import permutation_spec

NETWORKS = (
    "resnet50",
    "resnext50_32x4d",
    "mobilenet_v2",
    "densenet121",
    "vgg11_bn",
    "convnext_tiny",
)


def awake(name):
    """A network whose channels all differ, with logits of all kinds."""
    torch.manual_seed(0)
    network = models.get_model(name, weights=None).eval()
    with torch.no_grad():
        for tensor in network.state_dict().values():
            if tensor.dim() == 1 and tensor.is_floating_point():
                tensor += 0.1 * torch.rand(tensor.shape)
    return network


def losses(network, a, b, x, labels):
    """Losses along the line from one state to another."""
    found = []
    for share in (0, 0.25, 0.5, 0.75, 1):
        line = {
            key: torch.lerp(tensor, b[key], share) if tensor.is_floating_point() else tensor
            for key, tensor in a.items()
        }
        network.load_state_dict(line)
        with torch.inference_mode():
            found.append(cross_entropy(network(x).double(), labels).item())
    return found


@pytest.mark.slow
@pytest.mark.long
@pytest.mark.parametrize("name", NETWORKS)
def test_weights_take_the_barrier_of_a_planted_permutation_away(name):
    network, x = awake(name), torch.randn(4, 3, 64, 64)
    spec = permutation_spec(network, x[:2])
    state = {key: tensor.clone() for key, tensor in network.state_dict().items()}
    moved = permute_state(state, spec, random_permutations(spec, torch.Generator().manual_seed(1)))
    labels = torch.arange(4)
    before = losses(network, state, moved, x, labels)
    order, cosine = match_weights(state, moved, spec, restarts=0)
    assert cosine == pytest.approx(1)
    back = permute_state(moved, spec, order)
    after = losses(network, state, back, x, labels)
    assert max(after) - min(after) < 1e-4 * after[0]
    assert max(abs(each - before[0]) for each in before) > 100 * (max(after) - min(after))
