"""The conv factory that networks are built with, and their initialisation from a seed."""

from __future__ import annotations

import math
from collections.abc import Callable, Collection
from dataclasses import dataclass
from functools import partial

import torch
from torch import nn

from symscape.layers.conv import SymmetricConv2d
from symscape.layers.lie.kernel import GroupKernel
from symscape.layers.parametrizations import PARAMETRIZATIONS, PenaltyConv2d
from symscape.layers.sampling.grid import Grid
from symscape.layers.sampling.padding import PaddedConv2d
from symscape.layers.sampling.strided import StridedConv2d
from symscape.symmetry.groups import KernelSize, Symmetry

VANILLA = Symmetry("vanilla")
ROLES = ("stem", "blocks", "shortcuts")


@dataclass(frozen=True)
class ConvFactory:
    """Makes a network's convolutions: symmetric where `roles` says so and taps are tied at all."""

    symmetry: Symmetry = VANILLA
    parametrization: str = "tied"
    roles: Collection[str] = ROLES
    padding: str = "zeros"
    """What is beyond the border (`layers.sampling.padding`)."""

    def __call__(
        self,
        in_channels: int,
        out_channels: int,
        kernel_size: KernelSize,
        *,
        stride: int = 1,
        groups: int = 1,
        bias: bool = False,
        role: str = "blocks",
        grid: Grid | None = None,
    ) -> nn.Module:
        """Return a convolution with "same" padding (kernel sizes are odd).

        1x1 kernels, and symmetries that tie nothing, give a plain nn.Conv2d.
        """
        padding = (kernel_size[0] // 2, kernel_size[1] // 2)
        tied = int(self.symmetry.orbits(kernel_size).max()) + 1 < math.prod(kernel_size)
        pointwise = math.prod(kernel_size) == 1
        make: Callable[..., nn.Module]
        make = StridedConv2d if stride > 1 else nn.Conv2d
        if grid is not None or (self.padding != "zeros" and not pointwise):
            make = partial(PaddedConv2d, mode=self.padding, grid=grid)
        if role in self.roles and tied:
            own = partial(PARAMETRIZATIONS[self.parametrization], self.symmetry)
            make = partial(own, mode=self.padding, grid=grid)
        return make(
            in_channels,
            out_channels,
            kernel_size,
            stride=stride,
            padding=padding,
            groups=groups,
            bias=bias,
        )


@torch.no_grad()
def initialise(network: nn.Module, seed: int, init: str = "matched") -> None:
    """Draw all weights from `seed` alone, in module order, on the CPU in float32.

    Every symmetry starts from the same vanilla draw: normal with variance 2 / fan_out (He et al.
    2015) for convolutions, uniform in +-1 / sqrt(fan_in) for linear layers; norms start as the
    identity, group kernels as they say.
    """
    generator = torch.Generator().manual_seed(seed)
    for module in network.modules():
        if isinstance(module, nn.Conv2d | SymmetricConv2d):
            inputs = module.in_channels // module.groups
            shape = (module.out_channels, inputs, *module.kernel_size)
            fan_out = module.out_channels // module.groups * math.prod(module.kernel_size)
            kernel = torch.randn(shape, generator=generator) * math.sqrt(2 / fan_out)
            if isinstance(module, SymmetricConv2d):
                module.start_from(kernel, init)
            else:
                module.weight.copy_(kernel)
            if module.bias is not None:
                module.bias.zero_()
        elif isinstance(module, GroupKernel):
            module.draw(generator)
        elif isinstance(module, nn.Linear):
            bound = 1 / math.sqrt(module.in_features)
            for parameter in module.parameters():
                draw = torch.rand(parameter.shape, generator=generator)
                parameter.copy_((2 * draw - 1) * bound)


def asymmetry(network: nn.Module) -> torch.Tensor | float:
    """Return sum ||(I - P) K||^2 over the convolutions with `parametrization=penalty`."""
    return sum((m.asymmetry() for m in network.modules() if isinstance(m, PenaltyConv2d)), 0.0)
