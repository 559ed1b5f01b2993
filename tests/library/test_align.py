"""Alignment of state dicts."""

import pytest
import torch
from torch import nn

import symscape.library as ss
from symscape.errors import SymscapeError
from symscape.landscape.alignment import permute_state
from symscape.landscape.alignment.permutation import random_permutations
from symscape.models.permutations import permutation_spec
from tests.landscape.nets import Fixed, network, state

X, Y = Fixed(120).x, Fixed(120).y


@pytest.mark.parametrize("method", ["activations", "weights"])
def test_a_planted_permutation_is_undone(method):
    net = network()
    spec = permutation_spec(net)
    planted = random_permutations(spec, torch.Generator().manual_seed(0))
    moved = permute_state(state(net), spec, planted)
    found = ss.align(net, state(net), moved, X, method=method)
    assert all(torch.equal(found.state[name], t) for name, t in net.state_dict().items())
    assert found.similarity == pytest.approx(1, abs=1e-6)
    assert found.largest_logit_change < 1e-10 and found.moved_share > 0.1
    line = ss.connect(net, state(net), found.state, X, Y, points=3)
    assert line.barrier() < 1e-10 < ss.connect(net, state(net), moved, X, Y, points=3).barrier()


def test_a_network_without_hidden_channels_is_refused():
    net = nn.Sequential(nn.Flatten(), nn.Linear(192, 5)).double()
    with pytest.raises(SymscapeError, match="align: no channels may move"):
        ss.align(net, state(net), state(net), X)


def test_the_method_is_checked():
    net = network()
    with pytest.raises(SymscapeError, match="method=weight: did you mean 'weights'"):
        ss.align(net, state(net), state(net), X, method="weight")
