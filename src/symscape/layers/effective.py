"""The plain network that computes the same function as a constrained one."""

from __future__ import annotations

import copy

from torch import Tensor, nn

from symscape.layers.conv import SymmetricConv2d
from symscape.layers.lie.conv import GroupConv2d
from symscape.layers.lie.storage import stored_kernels
from symscape.layers.sampling.grid import Grid
from symscape.layers.sampling.padding import PaddedConv2d

CONSTRAINED = (SymmetricConv2d, GroupConv2d)
"""Convolutions whose kernel is made of something else; each has `plain()`."""


def effective_network(network: nn.Module) -> nn.Module:
    """Return a copy with an nn.Conv2d of the effective kernel in place of each constrained one.

    Its state dict has the same keys for every symmetry, parametrisation and group kernel of an
    architecture.
    The original is left as it is, and shares no tensor with the copy.
    """
    if isinstance(network, CONSTRAINED):
        return network.plain()
    # Copying with the plain convolutions already in the memo copies no constrained kernel.
    plain = {id(m): m.plain() for m in network.modules() if isinstance(m, CONSTRAINED)}
    grids = {id(m): Grid() for m in network.modules() if isinstance(m, Grid)}
    for conv in plain.values():
        if isinstance(conv, PaddedConv2d) and conv.grid is not None:
            conv.grid = grids[id(conv.grid)]  # As all branches of its block do.
    twin = copy.deepcopy(network, memo={**plain, **grids})
    return twin.train(network.training)


def stored_state(network: nn.Module) -> dict[str, Tensor]:
    """Return what is kept of a network, on its device, detached.

    That is the effective network's state dict, with the factors of group kernels in place of these:
    `layers.lie.storage.restored` brings them back.
    """
    on_group = [name for name, m in network.named_modules() if isinstance(m, GroupConv2d)]
    if not on_group:
        plain = effective_network(network).state_dict()
        return {name: tensor.detach() for name, tensor in plain.items()}
    inside = tuple(f"{name}.kernel." for name in on_group)
    others = {
        name: tensor.detach()
        for name, tensor in network.state_dict().items()
        if not name.startswith(inside)
    }
    return others | stored_kernels(network)
