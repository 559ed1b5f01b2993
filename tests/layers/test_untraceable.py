"""Networks that torch.fx cannot trace, or traces wrongly: the same numbers, and it is said once."""

import copy
import logging

import pytest
import torch
from torch import Tensor, nn

from symscape.curvature.hessian import Hessian
from symscape.landscape.batchnorm import reset_statistics
from symscape.layers import rewriting
from symscape.layers.conversion import symmetric_network
from symscape.layers.effective import effective_network
from symscape.layers.evaluation import for_evaluation
from symscape.symmetry.groups import Symmetry


class Body(nn.Module):
    """A convolution, a norm, logits."""

    def __init__(self) -> None:
        super().__init__()
        torch.manual_seed(0)
        self.conv = nn.Conv2d(3, 8, 3, padding=1, bias=False)
        self.norm = nn.BatchNorm2d(8)
        self.head = nn.Linear(8, 4)

    def forward(self, x: Tensor) -> Tensor:
        return self.head(torch.tanh(self.norm(self.conv(x))).mean((2, 3)))


class Dynamic(Body):
    """Branches on a value."""

    def forward(self, x: Tensor) -> Tensor:
        return super().forward(x if x.sum() < 1e9 else -x)


class Asking(Body):
    """Asks what it was given, and takes another way for a symbol."""

    def forward(self, x: Tensor) -> Tensor:
        return super().forward(x if isinstance(x, Tensor) else 1 - x)


class Attribute(Body):
    """Reads what symbols have not."""

    def forward(self, x: Tensor) -> Tensor:
        assert {3: "colours"}[x.shape[1]] == "colours"
        return super().forward(x)


UNTRACEABLE = {
    Dynamic: "torch.fx cannot trace it (symbolically traced variables",
    Asking: "torch.fx traces another function than it computes",
    Attribute: "torch.fx cannot trace it (",
}
X = torch.randn(6, 3, 8, 8, dtype=torch.float64, generator=torch.Generator().manual_seed(1))
Y = torch.tensor([0, 1, 2, 3, 0, 1])


@pytest.fixture(autouse=True)
def unsaid(caplog):
    rewriting._say.cache_clear()
    logging.getLogger("symscape").propagate = True
    caplog.set_level("INFO", "symscape")


def plain(kind: type[Body]) -> nn.Module:
    network = effective_network(symmetric_network(kind(), Symmetry("rot90"))).double().eval()
    reset_statistics(network, [(X, Y)])
    return network


def said(caplog) -> list[str]:
    return [record.getMessage() for record in caplog.records]


@pytest.mark.parametrize("kind", UNTRACEABLE)
def test_evaluation_gives_the_same_numbers_and_says_once_why_it_is_slower(kind, caplog):
    network = plain(kind)
    for _ in range(2):
        fast = for_evaluation(network, "float64")
        for _ in range(2):
            with torch.no_grad():
                torch.testing.assert_close(fast(X), network(X), rtol=1e-12, atol=1e-12)
    (line,) = said(caplog)
    assert line.startswith(f"{kind.__name__}: {UNTRACEABLE[kind]}") and "more slowly" in line


@pytest.mark.parametrize("kind", UNTRACEABLE)
def test_hessian_products_are_those_of_the_same_network_traced(kind, caplog):
    network = plain(kind)
    twin = Body().double().eval()
    twin.load_state_dict(network.state_dict())
    labels = {"conv": tuple(map(tuple, Symmetry("rot90").orbits((3, 3)).view(3, 3).tolist()))}
    hessians = [Hessian(each, X, Y, tied=labels) for each in (network, twin)]
    vector = torch.randn(hessians[0].dimension, generator=torch.Generator().manual_seed(2))
    slow, fast = (each.product(vector.double()) for each in hessians)
    torch.testing.assert_close(slow, fast, rtol=1e-9, atol=1e-12)
    assert len(said(caplog)) == 1


def test_statistics_of_a_network_traced_wrongly_are_its_own():
    """The first images come while norms are in train mode: the check leaves them alone."""
    network = plain(Asking)
    expected = copy.deepcopy(network)
    reset_statistics(network, [(X + 1, Y)], for_evaluation(network, "float64"))
    reset_statistics(expected, [(X + 1, Y)])
    for own, other in zip(network.buffers(), expected.buffers(), strict=True):
        torch.testing.assert_close(own, other, rtol=1e-12, atol=1e-12)


def test_what_can_be_traced_is_not_spoken_of(caplog):
    fast = for_evaluation(plain(Body), "float64")
    with torch.no_grad():
        fast(X)
    assert not said(caplog)
