"""Which kinds of symmetry a kernel is made of: its energy in each isotypic component of D4.

P_r = d_r / 8 sum_T chi_r(T) T projects on the component of the irreducible representation r of
dimension d_r and character chi_r (Serre 1977, "Linear representations of finite groups", 2.6). The
components are orthogonal, so the shares of a kernel's energy in them sum to 1:

- A1: invariant, the group average.
- A2: invariant under turns, changes sign under all four reflections.
- B1: invariant under the flips, changes sign under the transpositions and quarter turns.
- B2: invariant under the transpositions, changes sign under the flips and quarter turns.
- E: changes sign under the half turn: gradients, edges.
"""

from __future__ import annotations

import math
from functools import lru_cache

import torch
from torch import Tensor

from symscape.symmetry.groups import ELEMENTS, KernelSize, distinct_elements, tap_permutation

# Of identity, hflip, vflip, rot90, rot180, rot270, transpose, antitranspose.
CHARACTERS: dict[str, tuple[int, ...]] = {
    "A1": (1, 1, 1, 1, 1, 1, 1, 1),
    "A2": (1, -1, -1, 1, 1, 1, -1, -1),
    "B1": (1, 1, 1, -1, 1, -1, -1, -1),
    "B2": (1, -1, -1, -1, 1, -1, 1, 1),
    "E": (2, 0, 0, 0, -2, 0, 0, 0),
}


def isotypic_energies(kernel: Tensor) -> dict[str, float]:
    """Return the share ||P_r K||^2 / ||K||^2 of each component in a kernel (kh, kw), by its name.

    With them `offset` = n mean(K)^2 / ||K||^2 for n taps and `shape` = A1 - offset. A kernel that
    is not square has only these two and A1, the share of the mean over the elements that act on
    it; the other four are NaN. All are NaN for a kernel that is zero or not finite.
    """
    size = (kernel.shape[0], kernel.shape[1])
    taps = kernel.detach().double().flatten().cpu()
    # Scaling first keeps squares of tiny or huge kernels inside the range.
    taps = taps / taps.abs().max()
    parts = _weights(size) @ taps[_images(size)] / taps.norm()
    offset = len(taps) * parts[0].mean().square()
    shape = (parts[0] - parts[0].mean()).square().sum()
    shares = dict(zip(CHARACTERS, parts.square().sum(1).tolist(), strict=False))
    absent = dict.fromkeys(CHARACTERS, math.nan)
    return {**absent, **shares, "offset": offset.item(), "shape": shape.item()}


def dimensions(kernel_size: KernelSize) -> dict[str, int]:
    """Return the dimension of each component in the space of kernels, by its name; they sum to n.

    That of A1 is the number of orbits of the taps. It stands alone for kernels that are not square.
    """
    fixed = (_images(kernel_size) == torch.arange(math.prod(kernel_size))).sum(1)
    traces = _weights(kernel_size) @ fixed.double()
    return dict(zip(CHARACTERS, traces.round().int().tolist(), strict=False))


@lru_cache(maxsize=256)
def _images(size: KernelSize) -> Tensor:
    """Return the permutations (g, n) of the taps by the elements that act, in ELEMENTS' order."""
    acting = ("identity", *distinct_elements(size))
    return torch.stack([tap_permutation(e, size) for e in ELEMENTS if e in acting])


def _weights(size: KernelSize) -> Tensor:
    """Return d_r / g chi_r(T) of the components (r, g) that a kernel of this size has."""
    elements = len(_images(size))
    if elements < len(ELEMENTS):
        return torch.full((1, elements), 1 / elements, dtype=torch.float64)
    characters = torch.tensor(list(CHARACTERS.values()), dtype=torch.float64)
    return characters * characters[:, :1] / elements
