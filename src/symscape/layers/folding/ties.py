"""Which taps of a plain convolution's kernel are equal, and what a fold needs of it."""

from __future__ import annotations

import torch
from torch import Tensor, nn

from symscape.layers.folding.geometry import Geometry
from symscape.layers.folding.taps import taps_last

# Taps are equal up to the rounding of float32, relative to the largest of a kernel.
TOLERANCE = 1e-6

Labels = tuple[tuple[int, ...], ...]
Seen = tuple[tuple[int, int, int, torch.dtype], ...]
"""Which tensors, in which version, something was made of."""


def versions(*tensors: Tensor) -> Seen:
    """Return what changes whenever one of the tensors does, or gets other memory (`x.data = y`)."""
    return tuple((id(t), t._version, t.data_ptr(), t.dtype) for t in tensors)


class Ties:
    """The equal taps of one convolution, read again whenever its kernel has changed."""

    def __init__(self, conv: nn.Conv2d) -> None:
        self.conv = conv
        self.seen: Seen = ()
        self.labels: Labels | None = None
        # Something to tie, and nothing that a fold does not do.
        self.possible = (
            conv.kernel_size != (1, 1)
            and conv.groups == 1
            and conv.dilation == (1, 1)
            and conv.stride[0] == conv.stride[1]
        )

    def geometry(self, x: Tensor) -> Geometry | None:
        """Return the fold of images (N, I, H, W); None where no taps are equal."""
        if not self.possible:
            return None
        if (now := versions(self.conv.weight)) != self.seen:
            self.seen, self.labels = now, tied_taps(self.conv.weight)
        return None if self.labels is None else geometry_of(self.conv, self.labels, x)


def geometry_of(conv: nn.Conv2d, labels: Labels, x: Tensor) -> Geometry:
    """Return the geometry of a convolution whose taps are tied, on images x (N, I, H, W)."""
    top, left = (int(p) for p in conv.padding)
    return Geometry(labels, (x.shape[-2], x.shape[-1]), conv.stride[0], (top, left))


def orbit_means(kernel: Tensor, labels: Labels) -> Tensor:
    """Return the mean (O, d, I) over each orbit of the taps of a kernel (O, I, kh, kw).

    Where they are equal, their value. The gradient by the kernel is the projection of that by every
    tap.
    """
    flat = torch.tensor([label for row in labels for label in row], device=kernel.device)
    members = torch.nn.functional.one_hot(flat).T.to(kernel.dtype)
    means: Tensor = (members / members.sum(1, keepdim=True)) @ taps_last(kernel)
    return means


@torch.no_grad()
def tied_taps(kernel: Tensor) -> Labels | None:
    """Return which taps of a kernel (O, I, kh, kw) are equal in all filters; None if none are.

    Cost: a pass over the kernel, and one for each tap that is tied; where the first filter has no
    two taps equal, which is nearly always, that alone.
    """
    filters = taps_last(kernel.detach())
    # Contiguous, as the kernel need not be, and without a copy of its absolute values.
    tolerance = TOLERANCE * torch.stack(filters.aminmax()).abs().amax()
    first, taps = filters[0], filters.transpose(0, 1)
    alike = ((first[:, None] - first).abs() <= tolerance).all(-1).tolist()
    firsts: list[int] = []
    labels = []
    for tap in range(len(taps)):
        for label, other in enumerate(firsts):
            if alike[tap][other] and bool(((taps[tap] - taps[other]).abs() <= tolerance).all()):
                labels.append(label)
                break
        else:
            labels.append(len(firsts))
            firsts.append(tap)
    if len(firsts) == len(labels):
        return None
    width = kernel.shape[-1]
    return tuple(tuple(labels[i : i + width]) for i in range(0, len(labels), width))
