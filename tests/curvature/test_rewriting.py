"""The rewritten network is the same function, with the same first and second derivatives."""

from __future__ import annotations

from collections.abc import Callable

import pytest
import torch
from torch import Tensor, nn

from symscape.curvature.rewriting import _Convolution, twice_differentiable


class Net(nn.Module):
    """Convolutions of all sorts, with and without a BatchNorm behind them."""

    def __init__(self) -> None:
        super().__init__()
        self.first = nn.Conv2d(3, 4, 3, padding=1, bias=False)
        self.norm = nn.BatchNorm2d(4)
        self.grouped = nn.Conv2d(4, 6, (3, 1), stride=2, padding=(1, 0), groups=2)
        self.bare = nn.BatchNorm2d(6, affine=False)
        self.shared = nn.Conv2d(6, 6, 3, padding=2, dilation=2)
        self.after = nn.BatchNorm2d(6)
        self.head = nn.Linear(6, 5)

    def forward(self, x: Tensor) -> Tensor:
        y = torch.tanh(self.norm(self.first(x)))
        y = torch.tanh(self.bare(self.grouped(y)))
        z = self.shared(y)
        # Two users of one convolution: its norm must not go into it.
        return self.head(torch.tanh(self.after(z) + z).mean((2, 3)))


def net() -> Net:
    torch.manual_seed(0)
    made = Net().double()
    for module in made.modules():
        if isinstance(module, nn.BatchNorm2d):
            module.running_mean.normal_()
            module.running_var.uniform_(0.5, 2)
            if module.affine:
                nn.init.normal_(module.weight)
                nn.init.normal_(module.bias)
    return made.eval()


X = torch.randn(5, 3, 7, 6, dtype=torch.float64, generator=torch.Generator().manual_seed(1))


def derivatives(forward: Callable[[Tensor], Tensor], parameters: list[Tensor]) -> list[Tensor]:
    loss = forward(X).logsumexp(1).sum()
    first = torch.autograd.grad(loss, parameters, create_graph=True)
    directions = [torch.cos(torch.arange(p.numel()).double()).view_as(p) for p in parameters]
    second = torch.autograd.grad(first, parameters, directions)
    return [loss.detach(), *(g.detach() for g in first), *second]


def test_the_function_and_its_derivatives_stay() -> None:
    network = net()
    parameters = list(network.parameters())
    made = twice_differentiable(network)
    assert made is not network
    for new, old in zip(
        derivatives(made, parameters), derivatives(network, parameters), strict=True
    ):
        assert torch.allclose(new, old, rtol=1e-11, atol=1e-12)


def test_a_norm_goes_into_the_convolution_before_it_alone() -> None:
    made = twice_differentiable(net())
    norms = [str(n.target) for n in made.traced.graph.nodes if n.op == "call_module"]
    assert norms == ["_fused_first", "_fused_grouped", "_fused_shared", "after", "head"]


def test_parameters_are_shared() -> None:
    network = net()
    made = twice_differentiable(network)
    with torch.no_grad():
        network.norm.weight.mul_(2)
        network.norm.running_mean.add_(1)
    assert torch.allclose(made(X), network(X), rtol=1e-12)


@pytest.mark.parametrize("groups", [1, 2])
@pytest.mark.parametrize("stride", [1, 2])
@pytest.mark.parametrize("needed", [(True, True, True), (False, True, False), (True, False, True)])
def test_a_convolution_twice_against_finite_differences(
    groups: int, stride: int, needed: tuple[bool, bool, bool]
) -> None:
    generator = torch.Generator().manual_seed(2)
    shapes = ((2, 4, 5, 4), (4, 4 // groups, 3, 3), (4,))
    x, w, b = (
        torch.randn(shape, generator=generator, dtype=torch.float64).requires_grad_(need)
        for shape, need in zip(shapes, needed, strict=True)
    )

    def convolve(x: Tensor, w: Tensor, b: Tensor) -> Tensor:
        y: Tensor = _Convolution.apply(x, w, b, ([stride] * 2, [1, 0], [1, 1], groups))
        return y

    assert torch.autograd.gradcheck(convolve, (x, w, b))
    # Not linear behind it, so that second derivatives do not vanish.
    assert torch.autograd.gradgradcheck(lambda *a: convolve(*a).sin(), (x, w, b))


def test_what_cannot_be_traced_is_left_as_it_is() -> None:
    class Branching(nn.Module):
        def forward(self, x: Tensor) -> Tensor:
            return x if x.sum() > 0 else -x

    network = Branching().eval()
    assert twice_differentiable(network) is network
