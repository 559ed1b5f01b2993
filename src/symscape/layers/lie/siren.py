"""Networks of sines, which generate kernel values from coordinates (Sitzmann et al. 2020)."""

from __future__ import annotations

import math
from itertools import pairwise

import torch
from torch import Tensor, nn


class Siren(nn.Module):
    """sin(omega_0 (W_0 x + b_0)), then `layers` times sin(omega (W x + b)), then a linear map.

    Args:
        inputs: d, coordinates of a point.
        outputs: M, values at a point.
        hidden: h, width of every layer.
        layers: layers of sines behind the first.
        first_omega: omega_0, the frequency of the first layer.
        omega: of the others.

    It has d h + h + layers (h^2 + h) + (h + 1) M parameters.
    """

    def __init__(
        self,
        inputs: int,
        outputs: int,
        *,
        hidden: int,
        layers: int,
        first_omega: float,
        omega: float,
    ) -> None:
        super().__init__()
        widths = [inputs, *[hidden] * (layers + 1), outputs]
        self.omegas = [first_omega, *[omega] * layers]
        # Not nn.Linear: a network's linear layers start otherwise.
        self.weights = nn.ParameterList(
            nn.Parameter(torch.zeros(o, i)) for i, o in pairwise(widths)
        )
        self.biases = nn.ParameterList(nn.Parameter(torch.zeros(o)) for o in widths[1:])

    def forward(self, points: Tensor) -> Tensor:
        """Map points (P, d) to values (P, M)."""
        x = points
        for weight, bias, omega in zip(self.weights, self.biases, self.omegas, strict=False):
            x = torch.sin(omega * nn.functional.linear(x, weight, bias))
        y: Tensor = nn.functional.linear(x, self.weights[-1], self.biases[-1])
        return y

    @torch.no_grad()
    def draw(self, generator: torch.Generator) -> None:
        """Start anew: sines of unit-variance arguments in every layer, values of unit variance."""
        inputs, hidden = self.weights[0].shape[1], self.weights[0].shape[0]
        bounds = [1 / inputs]
        bounds += [math.sqrt(6 / hidden) / omega for omega in self.omegas[1:]]
        bounds.append(math.sqrt(6 / hidden))
        for weight, bound in zip(self.weights, bounds, strict=True):
            weight.copy_((2 * torch.rand(weight.shape, generator=generator) - 1) * bound)
        for bias in self.biases:
            bias.zero_()
        first = self.biases[0]
        draw = 2 * torch.rand(first.shape, generator=generator) - 1
        first.copy_(draw / math.sqrt(inputs))
