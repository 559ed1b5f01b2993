"""A group convolution: a plain convolution of C N channels whose kernel a few functions make."""

from __future__ import annotations

from collections.abc import Mapping

import torch
from torch import Tensor, nn

from symscape.layers.folding.ties import Seen, versions
from symscape.layers.lie.kernel import GroupKernel, KernelSpec, Samples, expanded, symmetries
from symscape.layers.lie.passes import WITH_PASSES, in_passes, worth_passes
from symscape.layers.lie.sampling import Turn
from symscape.symmetry.plane import PlaneGrid


class GroupConv2d(nn.Module):
    """Maps functions on the group, (B, I M, H, W), to such functions, (B, O N, H', W').

    Channel c at element n is channel c N + n.

    Args:
        grid: the group, of N elements.
        spec: of what the kernel is made.
        in_channels, out_channels: I, O.
        kernel_size: k, odd.
        lift: whether the input is an image: M = 1, else N.
        padding: rows and columns of zeros on each side; None keeps the size.
        turn: by how much the grid is turned, shared by all layers of a network.
    """

    def __init__(
        self,
        grid: PlaneGrid,
        spec: KernelSpec,
        in_channels: int,
        out_channels: int,
        kernel_size: int,
        *,
        lift: bool = False,
        padding: int | None = None,
        turn: Turn | None = None,
    ) -> None:
        super().__init__()
        self.grid, self.in_channels, self.out_channels = grid, in_channels, out_channels
        self.kernel_size = kernel_size
        self.padding = kernel_size // 2 if padding is None else padding
        self.kernel = GroupKernel(grid, spec, in_channels, out_channels, kernel_size, lift=lift)
        self.turn = turn or Turn()
        shape = (in_channels, out_channels, grid.size, kernel_size**2)
        self.passes = not lift and worth_passes(spec.name, *shape)
        """Whether to apply the kernel factor after factor."""
        self.made: tuple[tuple[Seen, bool], Samples] | None = None

    @property
    def passable(self) -> bool:
        """Whether its kernel has factors that can be applied one after another."""
        return self.kernel.spec.name in WITH_PASSES and not self.kernel.lift

    @property
    def weight(self) -> Tensor:
        """The effective kernel (O N, I M, k, k), channels-last, of the grid as it is."""
        return self.kernel.weight()

    def forward(self, x: Tensor) -> Tensor:
        """Convolve x (B, I M, H, W)."""
        angle = self.turn.angle
        lattice = symmetries(self.grid, angle)
        made = self._made(angle, lattice)
        if self.passes:
            return in_passes(x, made, self.grid, lattice, self.padding)
        return nn.functional.conv2d(x, made["whole"], padding=self.padding)

    def _made(self, angle: float, lattice: Mapping[str, Tensor]) -> Samples:
        """Return the factors, or the `whole` kernel; without gradients made once for parameters."""
        key = (versions(*self.kernel.parameters()), self.passes)
        fixed = not torch.is_grad_enabled() and not angle
        if fixed and self.made is not None and self.made[0] == key:
            return self.made[1]
        made = self.kernel.samples(angle)
        if not self.passes:
            made = {"whole": expanded(made, self.grid, lattice)}
        # A kernel that carries a gradient belongs to its step.
        self.made = (key, made) if fixed else None
        return made

    @torch.no_grad()
    def plain(self) -> nn.Conv2d:
        """Return the nn.Conv2d that computes the same function, with tensors of its own."""
        weight = self.weight
        conv = nn.Conv2d(
            weight.shape[1],
            weight.shape[0],
            self.kernel_size,
            padding=self.padding,
            bias=False,
            device="meta",
            dtype=weight.dtype,
        )
        conv = conv.to_empty(device=weight.device).to(memory_format=torch.channels_last)
        conv.weight.copy_(weight)
        return conv

    def lattice(self) -> dict[str, Tensor]:
        """Return the symmetries of the square under which the layer is exactly equivariant."""
        return symmetries(self.grid, 0.0)

    def extra_repr(self) -> str:
        """Show what nn.Conv2d shows, and the group."""
        return (
            f"{self.in_channels}, {self.out_channels}, kernel_size={self.kernel_size}, "
            f"padding={self.padding}, elements={self.grid.size}, kernel={self.kernel.spec.name}"
        )
