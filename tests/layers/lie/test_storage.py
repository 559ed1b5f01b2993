"""Group kernels on disk: factors, from which the plain ones come back to the bit."""

import pytest
import torch

from symscape.layers.effective import effective_network, stored_state
from symscape.layers.lie.conv import GroupConv2d
from symscape.layers.lie.storage import generators, restored
from tests.layers.lie.networks import CASES, network

ALL = [(case, kernel) for case, (_, kernel) in CASES.items()]


@pytest.mark.parametrize(("case", "kernel"), [*ALL, ("se2", "dseparable"), ("se2", "dgseparable")])
def test_what_is_stored_comes_back_as_the_effective_network(case, kernel):
    net = network(case, kernel=kernel)
    stored, plain = stored_state(net), effective_network(net).state_dict()
    found = restored(stored, net.grid)
    assert found.keys() == plain.keys()
    assert all(torch.equal(found[name], tensor) for name, tensor in plain.items())


def test_factors_are_far_smaller_than_what_they_stand_for():
    net = network("se2", width=4)
    sizes = [
        sum(t.numel() for t in state.values())
        for state in (stored_state(net), effective_network(net).state_dict())
    ]
    assert 10 * sizes[0] < sizes[1]


def test_plain_kernels_stay_as_they_are():
    net = network("none")
    plain = effective_network(net).state_dict()
    assert all(
        torch.equal(restored(plain, net.grid)[name], tensor) for name, tensor in plain.items()
    )


def test_generators_make_the_same_kernels_again():
    net, other = network("se2"), network("se2", seed=1)
    assert {k.split(".kernel.")[0] for k in generators(net)} == {
        name for name, module in net.named_modules() if isinstance(module, GroupConv2d)
    }
    other.load_state_dict(generators(net), strict=False)
    assert torch.equal(other.last.weight, net.last.weight)
