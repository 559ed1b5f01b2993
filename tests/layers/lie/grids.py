"""Small grids of every group, the kernels that they can have, and what symmetries do to maps."""

from collections.abc import Iterator, Mapping

import torch
from torch import Tensor

from symscape.config.network.lie import KERNELS, GroupConfig, KernelConfig, check_kernel
from symscape.errors import ConfigError
from symscape.layers.lie.conv import GroupConv2d
from symscape.layers.lie.kernel import KernelSpec
from symscape.models.build import group_grid
from symscape.symmetry.groups import ELEMENTS

GROUPS = {
    "none": GroupConfig(),
    "se2": GroupConfig("se2", rotations=8),
    "se2,4": GroupConfig("se2", rotations=4),
    "se2,6": GroupConfig("se2", rotations=6),
    "e2": GroupConfig("e2", rotations=4),
    "e2,1": GroupConfig("e2", rotations=1),
    "scale": GroupConfig("scale"),
    "scale,0": GroupConfig("scale", reach=0),
    "sim2": GroupConfig("sim2", rotations=4),
}
GRIDS = {name: group_grid(group) for name, group in GROUPS.items()}


def kernels_of(group: str) -> Iterator[str]:
    """Yield the kernels that a group can have."""
    for kernel in KERNELS:
        try:
            check_kernel(GROUPS[group], KernelConfig(kernel))
        except ConfigError:
            continue
        yield kernel


PAIRS = [
    (group, kernel)
    for group in GROUPS
    for kernel in kernels_of(group)
    if group != "se2,4" or kernel == "pixels"  # The other kernels there are those of se2.
]
MOVED = [pair for pair in PAIRS if len(GRIDS[pair[0]].lattice) > 1]
"""Those that a symmetry of the square moves at all."""


def conv(
    group: str, kernel: str, size: int, *, lift: bool, dtype=torch.float64, **options
) -> GroupConv2d:
    """A layer from 2 channels to 3 whose kernel is drawn."""
    spec = KernelSpec(kernel, hidden=8)
    layer = GroupConv2d(GRIDS[group], spec, 2, 3, size, lift=lift, **options)
    layer.kernel.draw(torch.Generator().manual_seed(0))
    return layer.to(dtype)


def act(name: str, p: Tensor, x: Tensor) -> Tensor:
    """(T_l f)[:, c, p(n)] = l(f[:, c, n]) for maps (B, C N, H, W)."""
    moved = ELEMENTS[name](x.unflatten(1, (-1, len(p))))
    return moved[:, :, p.argsort()].flatten(1, 2)


def error(layer, x: Tensor, lattice: Mapping[str, Tensor], lift: bool) -> float:
    """The largest |layer(T x) - T layer(x)| / |layer(x)| over symmetries."""
    with torch.no_grad():
        y = layer(x)
        return max(
            (
                (layer(ELEMENTS[name](x) if lift else act(name, p, x)) - act(name, p, y)).norm()
                / y.norm()
            ).item()
            for name, p in lattice.items()
        )


def maps(*shape: int, seed: int = 0) -> Tensor:
    return torch.randn(shape, generator=torch.Generator().manual_seed(seed), dtype=torch.float64)
