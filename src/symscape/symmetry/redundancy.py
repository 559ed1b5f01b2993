"""How much of a group kernel is one spatial pattern, repeated along the group with other weights.

The kernel from all elements of the input to one element of the output is a matrix with a row for
each of the M elements and a column for each tap. The share of its square sum that the leading
singular value has, sigma_1^2 / sum sigma^2, is 1 if all rows are multiples of one pattern: then a
separable kernel (Knigge et al. 2022) loses nothing. Smooth kernels are redundant before they have
learned anything: for 8 elements and 7 x 7 taps, .95, .90 and .74 (each within .03, by the seed)
where omega is 3, 5 and 10; white noise has .22. So what a training did is the change since.
"""

from __future__ import annotations

import torch
from torch import Tensor

KINDS = ("pair", "stacked")
"""Rows of one pair of channels, (M, k k), or of all inputs of an output channel, (I M, k k)."""
ROUNDING = 1e-12
"""Of a matrix's square sum: what is left of less when the mean row is taken off is rounding."""


def leading_share(matrices: Tensor, *, centred: bool = False) -> Tensor:
    """Return sigma_1^2 / sum sigma^2 of matrices (..., rows, columns), in float64: (...).

    NaN where there is nothing to share: a matrix of zeros or, centred, one of equal rows.

    Args:
        matrices: of any float type, on the CPU.
        centred: take the mean row off first, as a principal component analysis does.
    """
    matrices = matrices.double()
    least = ROUNDING * matrices.square().sum((-2, -1))
    if centred:
        matrices = matrices - matrices.mean(-2, keepdim=True)
    # The smaller of the two Gram matrices has all eigenvalues that are not 0.
    wide = matrices.shape[-1] > matrices.shape[-2]
    gram = matrices @ matrices.mT if wide else matrices.mT @ matrices
    total = gram.diagonal(dim1=-2, dim2=-1).sum(-1)
    share: Tensor = torch.linalg.eigvalsh(gram)[..., -1] / total
    return torch.where(total > least, share, torch.nan)


@torch.no_grad()
def redundancy(kernel: Tensor, outputs: int, inputs: int) -> dict[tuple[str, bool], float]:
    """Return the mean leading share of a group kernel for each of KINDS, as it is and centred.

    The mean is over output channels, and for pairs over input channels. Of the output's elements
    the first stands for all: under the lattice symmetries the others are moves of a few.
    Costs O I eigenvalues of M x M and O of k k x k k: 20 ms for 32 x 32 channels, 8 elements, k=7.

    Args:
        kernel: the plain one, (O N, I M, k, k).
        outputs: N, elements of the output.
        inputs: M, elements of the input.

    Returns:
        Values by kind and whether centred.
    """
    rows = kernel.detach()[::outputs].cpu().flatten(2)
    rows = rows.reshape(len(rows), -1, inputs, rows.shape[-1])  # (O, I, M, k k)
    matrices = dict(zip(KINDS, (rows, rows.flatten(1, 2)), strict=True))
    return {
        (kind, centred): leading_share(each, centred=centred).nanmean().item()
        for kind, each in matrices.items()
        for centred in (False, True)
    }
