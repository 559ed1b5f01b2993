"""Networks of sines: their size, and how they start."""

import pytest
import torch

from symscape.layers.lie.siren import Siren


def siren(inputs=2, outputs=300, hidden=64, layers=1, omega=5.0, seed=0) -> Siren:
    net = Siren(inputs, outputs, hidden=hidden, layers=layers, first_omega=omega, omega=omega)
    net.draw(torch.Generator().manual_seed(seed))
    return net


@pytest.mark.parametrize("d", [1, 2, 5])
@pytest.mark.parametrize(("h", "layers"), [(4, 0), (8, 1), (3, 2)])
@pytest.mark.parametrize("m", [1, 6])
def test_the_number_of_parameters(d, h, layers, m):
    count = sum(p.numel() for p in siren(d, m, h, layers).parameters())
    assert count == d * h + h + layers * (h * h + h) + (h + 1) * m


def test_it_is_a_linear_map_of_sines_of_sines():
    net = siren(3, 2, hidden=4, layers=1, omega=2.0).double()
    x = torch.rand(7, 3, dtype=torch.float64)
    (w0, w1, w2), (b0, b1, b2) = net.weights, net.biases
    inner = torch.sin(2 * (x @ w0.T + b0))
    expected = torch.sin(2 * (inner @ w1.T + b1)) @ w2.T + b2
    torch.testing.assert_close(net(x), expected)


@pytest.mark.parametrize("inputs", [2, 5])
@pytest.mark.parametrize("layers", [0, 1, 3])
@pytest.mark.parametrize("omega", [3.0, 10.0])
def test_values_start_with_unit_variance(inputs, layers, omega):
    """Over functions; those of low frequencies vary little over points."""
    points = 2 * torch.rand(50, inputs, generator=torch.Generator().manual_seed(0)) - 1
    values = torch.stack(
        [siren(inputs, 40, layers=layers, omega=omega, seed=s)(points) for s in range(10)]
    )
    assert values.mean().abs() < 0.2
    assert 0.6 < values.square().mean() < 1.5


def test_larger_frequencies_make_rougher_functions():
    line = torch.linspace(-1, 1, 101)[:, None]
    smooth, rough = (siren(1, omega=omega)(line).diff(dim=0).std() for omega in (1.0, 10.0))
    assert rough > 3 * smooth


def test_the_draw_depends_on_the_generator_alone():
    torch.manual_seed(0)
    net, first = siren(), siren()
    with torch.no_grad():
        for parameter in net.parameters():
            parameter.fill_(9.0)
    torch.manual_seed(1)
    net.draw(torch.Generator().manual_seed(0))
    same, other = first.state_dict(), siren(seed=1).state_dict()
    assert all(torch.equal(value, same[name]) for name, value in net.state_dict().items())
    assert not torch.equal(same["weights.0"], other["weights.0"])
