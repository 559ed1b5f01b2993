import pytest
import torch
from pytest import approx
from torch import nn

from symscape.curvature.ascent import random_ascent, worst_case
from symscape.curvature.density import spectral_density
from symscape.curvature.hessian import Hessian
from symscape.curvature.subspaces import Restricted, choose_bases
from tests.curvature.matrices import LIKE, with_spectrum

CURVATURE = torch.tensor([4.0, 1.0, 0.25], dtype=torch.float64)


def bowl():
    """L(w) = 1/2 sum c_i w_i^2, at its minimum."""
    net = nn.Linear(3, 1, bias=False).double().eval()
    nn.init.zeros_(net.weight)
    x = torch.eye(3, dtype=torch.float64) * CURVATURE.sqrt()

    def loss(outputs, _labels):
        return 1.5 * outputs.square().sum()  # The mean is over three images.

    hessian = Hessian(net, x, torch.zeros(3), loss=loss)
    return hessian, Restricted(hessian, choose_bases(net, {}, "ambient"))


def test_random_ascent_on_a_bowl():
    """E L(eps n) = eps^2 / 2 tr H."""
    hessian, space = bowl()
    found = random_ascent(hessian, space, [0.1, 1.0], draws=400)
    for i, eps in enumerate((0.1, 1.0)):
        expected = eps**2 / 2 * CURVATURE.sum().item()
        assert found.mean[i] == approx(expected, abs=4 * found.standard_error[i])
        assert found.largest[i] >= found.mean[i]
    assert torch.equal(hessian.point(), torch.zeros(3, dtype=torch.float64))


def test_the_worst_case_on_a_bowl_is_along_its_steepest_direction():
    """max over ||d|| <= rho of 1/2 d^T H d = rho^2 lambda_1 / 2."""
    hessian, space = bowl()
    found = worst_case(hessian, space, 0.5)
    assert found.rise == approx(0.5**2 * 4.0 / 2, rel=1e-3)
    assert len(found.starts) == 3 and max(found.starts) == found.rise
    assert torch.equal(hessian.point(), torch.zeros(3, dtype=torch.float64))


def test_a_ball_in_scaled_coordinates():
    hessian, _ = bowl()
    scale = torch.tensor([0.1, 1.0, 1.0], dtype=torch.float64)
    space = Restricted(hessian, {"weight": None}, scale)
    assert worst_case(hessian, space, 0.5).rise == approx(0.5**2 * 1.0 / 2, rel=1e-3)


@pytest.mark.parametrize("power", [1, 2])
def test_the_density_has_the_moments_of_the_spectrum(power):
    """sum of weights x nodes^p approaches tr A^p / n."""
    values = torch.linspace(-1, 3, 200)
    found = spectral_density(with_spectrum(values), like=LIKE, starts=30, steps=20)
    moments = [
        sum(w * node**power for w, node in zip(ws, nodes, strict=True))
        for ws, nodes in zip(found.weights, found.nodes, strict=True)
    ]
    expected = (values**power).mean().item()
    assert sum(moments) / 30 == approx(expected, abs=0.1)
    assert found.products == 600
    assert all(sum(ws) == approx(1.0) for ws in found.weights)
