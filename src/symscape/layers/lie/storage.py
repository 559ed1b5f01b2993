"""Group kernels as they are stored: their factors at representatives.

A plain kernel of N elements is N times as large as what it is made of, and more. Bringing the
factors back to it is products and moves alone, which give the same bits on every machine.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Mapping

from torch import Tensor, nn

from symscape.layers.lie.conv import GroupConv2d
from symscape.layers.lie.kernel import Samples, expanded
from symscape.symmetry.plane import PlaneGrid

FACTORS = ("mix", "group", "space", "full")
"""What the factors of a kernel `X.weight` are called: `X.weight.mix`, ..."""


def stored_kernels(network: nn.Module) -> dict[str, Tensor]:
    """Return the factors of all group convolutions of a network, detached, by name."""
    return {
        f"{name}.weight.{factor}": values.detach().clone()
        for name, conv in network.named_modules()
        if isinstance(conv, GroupConv2d)
        for factor, values in conv.kernel.samples().items()
    }


def generators(network: nn.Module) -> dict[str, Tensor]:
    """Return the parameters that the kernels of a network are generated from, by name.

    With them a kernel can be sampled on any other grid.
    """
    return {
        f"{name}.kernel.{key}": parameter.detach()
        for name, conv in network.named_modules()
        if isinstance(conv, GroupConv2d)
        for key, parameter in conv.kernel.named_parameters()
    }


def restored(state: Mapping[str, Tensor], grid: PlaneGrid) -> dict[str, Tensor]:
    """Return a state dict with plain kernels in place of their factors.

    Args:
        state: as stored; kernels that are plain already stay as they are.
        grid: of the network.
    """
    plain: dict[str, Tensor] = {}
    kernels: dict[str, Samples] = defaultdict(dict)
    for name, values in state.items():
        kernel, _, factor = name.rpartition(".")
        if factor in FACTORS and kernel.endswith(".weight"):
            kernels[kernel][factor] = values
        else:
            plain[name] = values
    made = {name: expanded(samples, grid, grid.lattice) for name, samples in kernels.items()}
    return plain | made
