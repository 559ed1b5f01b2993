"""Fitting a network, and weights that were trained for other classes, to the images at hand."""

from __future__ import annotations

from collections.abc import Mapping

import torch
from torch import Tensor, nn

from symscape.models.weights import fill_network


def first_conv(network: nn.Module) -> tuple[str, nn.Conv2d] | None:
    """Return the first convolution, which sees the images, and its name."""
    convs = ((name, m) for name, m in network.named_modules() if isinstance(m, nn.Conv2d))
    return next(convs, None)


@torch.no_grad()
def sum_channels(network: nn.Module) -> None:
    """Make a network for grey images: the first convolution's kernels are summed over channels.

    On a grey image it computes what it did on the same image in each of its channels.
    """
    found = first_conv(network)
    if found is None or found[1].groups > 1:
        return
    conv = found[1]
    conv.weight = nn.Parameter(conv.weight.sum(1, keepdim=True))
    conv.in_channels = 1


def fill_trunk(
    network: nn.Module, state: Mapping[str, Tensor], source: object, classes: int | None
) -> list[str]:
    """Copy a state dict into a network whose last layer may answer for other classes.

    Kernels that see colours are summed where the network sees grey. A last layer of so many logits
    stays as it is where the file's has others: only the last layer can have other rows without
    another layer having other columns.

    Returns:
        The entries that stay as they are.

    Raises:
        SymscapeError: as for `fill_network`.
    """
    own, fitted = network.state_dict(), dict(state)
    if (found := first_conv(network)) is not None:
        name = f"{found[0]}.weight"
        kernel = state.get(name)
        if kernel is not None and kernel.ndim == 4 and found[1].in_channels == 1:
            fitted[name] = kernel.sum(1, keepdim=True)
    anew = [name for name in state.keys() & own.keys() if _is_head(own[name], state[name], classes)]
    fill_network(network, fitted | {name: own[name] for name in anew}, source)
    return sorted(anew)


def _is_head(own: Tensor, other: Tensor, classes: int | None) -> bool:
    if own.ndim == 0 or own.ndim != other.ndim or own.shape == other.shape:
        return False
    return own.shape[0] == classes and own.shape[1:] == other.shape[1:]
