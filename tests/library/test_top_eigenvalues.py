"""Eigenvalues from one's own loop, against a dense Hessian."""

import pytest
import torch
from torch import nn
from torch.nn import functional

import symscape.library as ss
from symscape.errors import SymscapeError
from symscape.layers.factory import ConvFactory, initialise
from symscape.symmetry.groups import Symmetry

X = torch.randn(6, 1, 5, 5, generator=torch.Generator().manual_seed(0), dtype=torch.float64)
Y = torch.tensor([0, 1, 2, 0, 1, 2])


def small(symmetry: str) -> nn.Module:
    conv = ConvFactory(Symmetry(symmetry))(1, 3, (3, 3))
    net = nn.Sequential(conv, nn.Tanh(), nn.AdaptiveAvgPool2d(1), nn.Flatten())
    initialise(net, seed=0)
    return net.double()


def dense(net: nn.Module) -> torch.Tensor:
    """The Hessian by autograd, in the network's own parameters."""
    (name, parameter), *others = net.named_parameters()
    assert not others

    def loss(flat: torch.Tensor) -> torch.Tensor:
        swapped = {name: flat.view(parameter.shape)}
        return functional.cross_entropy(torch.func.functional_call(net, swapped, (X,)), Y)

    return torch.func.hessian(loss)(parameter.detach().flatten())


def largest(matrix: torch.Tensor, k: int) -> list[float]:
    values = torch.linalg.eigvalsh(matrix)
    return values[values.abs().argsort(descending=True)][:k].tolist()


@pytest.mark.parametrize("symmetry", ["vanilla", "rot90"])
def test_they_are_those_of_the_dense_hessian(symmetry):
    net = small(symmetry)
    own = ss.top_eigenvalues(net, X, Y, 2, subspace="own", tolerance=1e-9)
    # Tied kernels are stored in orthonormal coordinates: their Hessian is that of `own`.
    assert own.values == pytest.approx(largest(dense(net), 2), rel=1e-8) and own.converged
    ambient = ss.top_eigenvalues(net, X, Y, 2, tolerance=1e-9)
    assert ambient.values == pytest.approx(largest(dense(ss.effective_network(net)), 2), rel=1e-8)


def test_a_network_in_training_is_looked_at_in_eval_mode_and_left_alone():
    net = nn.Sequential(nn.Dropout(0.5), small("vanilla")).train()
    before = {name: t.clone() for name, t in net.state_dict().items()}
    found = ss.top_eigenvalues(net, X, Y)
    assert found.values == ss.top_eigenvalues(net.eval(), X, Y).values
    assert all(torch.equal(before[name], t) for name, t in net.state_dict().items())
    assert all(p.grad is None for p in net.parameters())


def test_more_than_there_are_dimensions_is_refused():
    with pytest.raises(SymscapeError, match=r"k=28: must be .* <= 27"):
        ss.top_eigenvalues(small("vanilla"), X, Y, 28)
