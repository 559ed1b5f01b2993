"""Symmetric kernels in any network: what a symmetry ties is replaced, under the same name."""

from __future__ import annotations

import copy
import math
from collections import Counter
from collections.abc import Collection
from fnmatch import fnmatchcase

from torch import nn
from torch.nn.modules.conv import _ConvNd

from symscape.errors import ConfigError, did_you_mean
from symscape.layers.conv import SymmetricConv2d
from symscape.layers.factory import ROLES
from symscape.layers.parametrizations import PARAMETRIZATIONS
from symscape.layers.sampling.strided import StridedConv2d
from symscape.symmetry.groups import KernelSize, Symmetry


def symmetric_network(
    network: nn.Module,
    symmetry: Symmetry,
    parametrization: str = "tied",
    layers: Collection[str] = ROLES,
    init: str = "plain",
) -> nn.Module:
    """Return a copy in which a SymmetricConv2d stands for each nn.Conv2d whose taps are tied.

    It has the same geometry, and starts from the projection of the kernel that it replaces. So the
    effective network has the names and shapes of `network`, which is left as it is.

    Args:
        network: anyone's.
        symmetry: of the kernels.
        parametrization: tied, projected or penalty.
        layers: which convolutions: roles (stem: the first one; shortcuts: 1x1 with a stride;
            blocks: all others), or patterns on names: `features.*`.
        init: plain: the projection itself; matched: scaled to the energy that random kernels had.

    Raises:
        ConfigError: an entry of `layers` is neither a role nor matches a convolution's name.
    """
    made = {
        id(conv): _symmetric(conv, symmetry, parametrization, init)
        for name, why in left_alone(network, symmetry, layers).items()
        if not why and isinstance(conv := network.get_submodule(name), nn.Conv2d)
    }
    # Copying with the new layers already in the memo copies no kernel that they replace.
    twin: nn.Module = copy.deepcopy(network, memo=dict(made))
    return twin


def left_alone(
    network: nn.Module, symmetry: Symmetry, layers: Collection[str] = ROLES
) -> dict[str, str]:
    """Return for each convolution, by name, why it stays as it is; empty if it does not.

    Raises:
        ConfigError: as for `symmetric_network`.
    """
    convs = {name: m for name, m in network.named_modules() if isinstance(m, _ConvNd)}
    roles = _roles(convs)
    _check_layers(layers, convs)
    uses = Counter(id(p) for m in network.modules() for p in m._parameters.values())
    found = {}
    for name, conv in convs.items():
        named = roles[name] in layers or any(fnmatchcase(name, each) for each in layers)
        obstacle = _untied(conv, symmetry) or _obstacle(conv, uses)
        found[name] = obstacle or ("" if named else "not among symmetry.layers")
    return found


def _roles(convs: dict[str, _ConvNd]) -> dict[str, str]:
    roles = {}
    for i, (name, conv) in enumerate(convs.items()):
        thins = math.prod(conv.kernel_size) == 1 and max(conv.stride) > 1
        roles[name] = "stem" if i == 0 else "shortcuts" if thins else "blocks"
    return roles


def _check_layers(layers: Collection[str], convs: Collection[str]) -> None:
    for entry in layers:
        if entry not in ROLES and not any(fnmatchcase(name, entry) for name in convs):
            hint = did_you_mean(entry, (*ROLES, *convs))
            allowed = f"{hint}allowed are {', '.join(ROLES)}, patterns on names of convolutions"
            raise ConfigError("symmetry.layers", entry, allowed)


def _obstacle(conv: _ConvNd, uses: Counter[int]) -> str:
    """Return why no symmetric layer could stand for this one, whatever the symmetry."""
    assert isinstance(conv, nn.Conv2d)  # _untied saw to it
    kind = type(conv)
    own = (kind.forward, kind._conv_forward) != (nn.Conv2d.forward, nn.Conv2d._conv_forward)
    if own and kind is not StridedConv2d:
        return f"is a {kind.__name__}, which computes in its own way"
    if conv._parameters.get("weight") is None or conv._forward_pre_hooks or conv._forward_hooks:
        return "its kernel is made of something else, or it has hooks"
    if uses[id(conv.weight)] > 1:
        return "shares its kernel with another layer"
    return ""


def _untied(conv: _ConvNd, symmetry: Symmetry) -> str:
    """Return why the symmetry ties no taps of a layer's kernels."""
    if not isinstance(conv, nn.Conv2d):
        return f"is a {type(conv).__name__}"
    size = _pair(conv.kernel_size)
    try:
        orbits = int(symmetry.orbits(size).max()) + 1
    except ValueError:
        return f"{size[0]}x{size[1]}: {symmetry.name} needs a square kernel"
    free = orbits == math.prod(size)
    return f"{size[0]}x{size[1]}: {symmetry.name} ties no taps" if free else ""


def _symmetric(
    conv: nn.Conv2d, symmetry: Symmetry, parametrization: str, init: str
) -> SymmetricConv2d:
    made = PARAMETRIZATIONS[parametrization](
        symmetry,
        conv.in_channels,
        conv.out_channels,
        _pair(conv.kernel_size),
        stride=_pair(conv.stride),
        padding=conv.padding if isinstance(conv.padding, str) else _pair(conv.padding),
        groups=conv.groups,
        bias=conv.bias is not None,
        mode=conv.padding_mode,
        dilation=_pair(conv.dilation),
    ).to(conv.weight)
    made.start_from(conv.weight, init)
    if conv.bias is not None and made.bias is not None:
        made.bias.data.copy_(conv.bias.detach())
    for parameter in made.parameters():
        parameter.requires_grad_(conv.weight.requires_grad)
    return made.train(conv.training)


def _pair(values: tuple[int, ...]) -> KernelSize:
    return values[0], values[1]
