"""A factored kernel applied factor after factor: far fewer multiplications than the plain one.

x is (B, I N, H, W); channel c at element n is channel c N + n.
"""

from __future__ import annotations

from collections.abc import Mapping

import torch
from torch import Tensor

from symscape.layers.lie.depthwise import depthwise
from symscape.layers.lie.factors import multiplications
from symscape.layers.lie.kernel import Samples, routed_group, spread
from symscape.symmetry.plane import PlaneGrid

WORTH = 0.5
"""Passes cost memory traffic of their own: worth it below this share of multiplications."""
WITH_PASSES = ("separable", "separable+2d", "dseparable", "dgseparable")
"""Kernels whose spatial factor all inputs share."""


def worth_passes(kernel: str, inputs: int, outputs: int, size: int, taps: int) -> bool:
    """Whether passes halve the multiplications of a layer; arguments of `multiplications`."""
    if kernel not in WITH_PASSES or taps == 1:
        return False
    whole = multiplications("nonseparable", inputs, outputs, size, taps)
    return multiplications(kernel, inputs, outputs, size, taps) <= WORTH * whole


def in_passes(
    x: Tensor,
    samples: Samples,
    grid: PlaneGrid,
    permutations: Mapping[str, Tensor],
    padding: int,
) -> Tensor:
    """Convolve x with the kernel of sampled factors; see `kernel.expanded` for what they are.

    Args:
        x: a function on the group.
        samples: of one of WITH_PASSES.
        grid: the group.
        permutations: its lattice symmetries.
        padding: rows and columns of zeros on each side.
    """
    size = grid.size
    if "mix" in samples:
        x = _mixed(x, samples["mix"], size)
    if "full" in samples:  # One kernel a channel, of position and element.
        full = spread(samples["full"], permutations, 2)  # (N, M, k, k, O, 1)
        outputs, taps = full.shape[4], full.shape[2:4]
        kernel = full.permute(4, 0, 5, 1, 2, 3).reshape(outputs * size, size, *taps)
        y: Tensor = torch.conv2d(x, kernel, padding=padding, groups=outputs)
        return y
    group = routed_group(samples["group"], grid)  # (O, N, J, M)
    outputs, inputs = group.shape[0], group.shape[2]
    pointwise = group.reshape(outputs * size, inputs * size, 1, 1)
    x = torch.conv2d(x, pointwise, groups=outputs if "mix" in samples else 1)
    space = spread(samples["space"], permutations, 1)  # (N, k, k, O, 1)
    return depthwise(x, space.permute(3, 0, 4, 1, 2).flatten(0, 1), padding)


def _mixed(x: Tensor, mix: Tensor, size: int) -> Tensor:
    """Return sums over input channels, element by element: (B, O N, H, W), channels-last."""
    kind = x.device.type
    if torch.is_autocast_enabled(kind) and x.dtype != torch.float64:
        x = x.to(torch.get_autocast_dtype(kind))
    rows = x.permute(0, 2, 3, 1)
    rows = rows.reshape(*rows.shape[:3], rows.shape[3] // size, size)  # (B, H, W, I, N)
    y = torch.matmul(rows.transpose(3, 4), mix.T.to(x.dtype)).transpose(3, 4)
    return y.flatten(3).permute(0, 3, 1, 2)
