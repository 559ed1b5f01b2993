"""Whether a network can be invariant at all: a test of its structure that needs no data.

With kernels that a group leaves alone, pointwise and channel operations, balanced sampling and a
global head, logits are invariant under the group, whatever is beyond the border. So its kernels are
replaced by their means over the group, and images of noise are flipped and turned: what is left of
a change is the structure's.
"""

from __future__ import annotations

import copy
from collections.abc import Sequence
from dataclasses import dataclass

import torch
from torch import Tensor, nn

from symscape.stopping import safe_point
from symscape.symmetry.consistency import INVERSES
from symscape.symmetry.groups import ELEMENTS

GENERATORS = {True: ("hflip", "rot90"), False: ("hflip", "vflip")}
"""Of D4, for square images and kernels, and of the flips."""
INVOLUTIONS = {True: ("hflip", "vflip", "transpose"), False: ("hflip", "vflip")}
"""Elements of order 2 of which these groups are built, each doubling what those before it make."""
EXACT = 1e-9
"""Below it a defect is rounding, in float64."""


@dataclass(frozen=True)
class Defect:
    """How far a network with symmetric kernels is from invariant."""

    defects: dict[str, float]
    """By element T: the larger ||f(Tx) - f(x)|| / ||f(x) - f(x')|| of two images x, x' of noise."""
    group: str
    """d4, or hvflip where a kernel or the image is not square."""

    @property
    def worst(self) -> float:
        """The largest of them."""
        return max(self.defects.values())

    @property
    def exact(self) -> bool:
        """Whether the structure is invariant up to rounding."""
        return self.worst < EXACT


@torch.no_grad()
def invariance_defect(
    network: nn.Module,
    channels: int,
    size: tuple[int, int],
    *,
    seed: int = 0,
    elements: Sequence[str] | None = None,
) -> Defect:
    """Return how far a network is from invariant once its kernels are symmetric.

    Float64; BatchNorm takes the statistics of the two images at hand, since with running ones the
    logits of deep random networks hardly depend on the image.

    Cost: a pass of two images for each element and one more, on the CPU.

    Args:
        network: maps images (N, C, H, W) to logits, or to maps of them; it is left as it is.
        channels: of the images.
        size: their rows and columns.
        seed: of the images.
        elements: names of those to try; None: two that generate the group, so that a network that
            is invariant under both is invariant under all.
    """
    twin = copy.deepcopy(network).to("cpu", torch.float64).eval()
    square = symmetrised(twin) and size[0] == size[1]
    for module in twin.modules():
        if isinstance(module, nn.modules.batchnorm._BatchNorm):
            module.train().momentum = 0.0
    generator = torch.Generator().manual_seed(seed)
    images = torch.randn(2, channels, *size, generator=generator, dtype=torch.float64)
    logits = _answers(twin, images)
    apart = (logits[0] - logits[1]).norm()
    defects = {}
    for name in elements or GENERATORS[square]:
        safe_point()
        moved = _answers(twin, ELEMENTS[name](images).contiguous(), INVERSES.get(name, name))
        defects[name] = ((moved - logits).norm(dim=1).max() / apart).item()
    return Defect(defects, "d4" if square else "hvflip")


def _answers(network: nn.Module, images: Tensor, back: str = "identity") -> Tensor:
    """Return logits (N, ...), those of pixels moved back to where these were."""
    output: Tensor = network(images)
    if output.ndim == 4:
        output = ELEMENTS[back](output)
    return output.flatten(1)


@torch.no_grad()
def symmetrised(network: nn.Module) -> bool:
    """Replace all kernels by their means over D4, or over flips if any is not square.

    Return whether it was D4.
    """
    kernels = [m.weight for m in network.modules() if isinstance(m, nn.Conv2d | nn.ConvTranspose2d)]
    square = all(k.shape[-1] == k.shape[-2] for k in kernels)
    for kernel in kernels:
        if kernel.shape[2:].numel() > 1:
            kernel.copy_(group_mean(kernel, INVOLUTIONS[square]))
    return square


def group_mean(kernel: Tensor, involutions: Sequence[str]) -> Tensor:
    """Return the mean of a kernel (..., kh, kw) over the group that elements of order 2 generate.

    Each must map the group of those before it to itself. One sum for each doubles the group, and
    leaves no rounding between taps that are tied.
    """
    for name in involutions:
        kernel = (kernel + ELEMENTS[name](kernel)).mul_(0.5)
    return kernel
