"""Kernels of group convolutions: sampled on the grid, and expanded to plain ones.

Shapes: O output and I input channels, J = I or 1 (a factor that all inputs share), N elements of
the output's grid, M of the input's (N, or 1 where an image is lifted), R representatives of the
orbits of the lattice symmetries on the grid, Q relative elements, k x k taps. Tap t of element n
is at u = A(h_n)^-1 t / rho, in units of the kernel's radius rho.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from functools import cached_property

import torch
from torch import Tensor, nn

from symscape.layers.lie.factors import KERNELS, LIFTING, Factor
from symscape.layers.lie.siren import Siren
from symscape.symmetry.groups import ELEMENTS
from symscape.symmetry.plane import PlaneGrid, representatives

Samples = dict[str, Tensor]
"""Values of a kernel's factors, as they are stored: `mix` (O, I), `group` (Q, O, J), `space`
(R, k, k, O, J), `full` (R, M, k, k, O, J)."""


@dataclass(frozen=True)
class KernelSpec:
    """Of which factors a kernel is made, and by which SIRENs."""

    name: str = "separable"
    hidden: int = 64
    layers: int = 1
    first_omega: float = 5.0
    omega: float = 5.0


class GroupKernel(nn.Module):
    """What a group convolution's kernel is generated from.

    Args:
        grid: the group.
        spec: the factors.
        inputs, outputs: I, O.
        size: k, odd.
        lift: whether the input is an image, without a group axis.
    """

    def __init__(
        self,
        grid: PlaneGrid,
        spec: KernelSpec,
        inputs: int,
        outputs: int,
        size: int,
        *,
        lift: bool = False,
    ) -> None:
        super().__init__()
        self.grid, self.spec, self.lift = grid, spec, lift
        self.inputs, self.outputs, self.size = inputs, outputs, size
        self.factors = LIFTING if lift and spec.name != "pixels" else KERNELS[spec.name]
        self.parts = nn.ModuleList(self._siren(f) for f in self.factors if f.group or f.space)
        if any(not (f.group or f.space) for f in self.factors):
            self.mix = nn.Parameter(torch.zeros(outputs, inputs))
        if spec.name == "pixels":
            count = len(representatives(grid.lattice))
            self.taps = nn.Parameter(torch.zeros(count, self.elements, size, size, outputs, inputs))

    @property
    def elements(self) -> int:
        """M, elements of the input."""
        return 1 if self.lift else self.grid.size

    def _siren(self, factor: Factor) -> Siren:
        spec = self.spec
        of_group = self.grid.features(factor.group).shape[1] if factor.group else 0
        return Siren(
            2 * factor.space + of_group,
            self.outputs * (self.inputs if factor.pairs else 1),
            hidden=spec.hidden,
            layers=spec.layers,
            first_omega=spec.first_omega,
            omega=spec.omega,
        )

    @torch.no_grad()
    def draw(self, generator: torch.Generator) -> None:
        """Start anew; free taps as those of a plain convolution do."""
        for part in self.parts:
            assert isinstance(part, Siren)
            part.draw(generator)
        for name, parameter in self.named_parameters(recurse=False):
            fan_out = self.outputs * self.grid.size * self.size**2
            scale = 1.0 if name == "mix" else (2 / fan_out) ** 0.5
            parameter.copy_(torch.randn(parameter.shape, generator=generator) * scale)

    def samples(self, offset: float = 0.0) -> Samples:
        """Return the values of all factors at the representatives.

        Args:
            offset: by which the grid is turned: positions turn, relative elements do not.
        """
        if self.spec.name == "pixels":
            return {"full": self.taps}
        made: Samples = {"mix": self.mix} if hasattr(self, "mix") else {}
        like = next(self.parameters())
        with torch.autocast(like.device.type, enabled=False):
            parts = iter(self.parts)
            for factor in self.factors:
                if factor.space:
                    made["full" if factor.group else "space"] = self._space(
                        next(parts), factor, offset
                    )
                elif factor.group:
                    values = next(parts)(self.grid.features(factor.group).to(like))
                    values = values.unflatten(1, (self.outputs, -1))
                    # Two factors of the relative element are one.
                    made["group"] = made["group"] * values if "group" in made else values
        return made

    def _space(self, siren: nn.Module, factor: Factor, offset: float) -> Tensor:
        """Return `space`, or `full` where the factor is one of the relative element too."""
        like, k = next(self.parameters()), self.size
        window = Window(self.grid, k, offset)
        points, weight = window.points.to(like), window.weight.to(like)
        width = self.inputs if factor.pairs else 1
        values: Tensor
        if not factor.group:
            values = siren(points.flatten(0, 1)).view(-1, k, k, self.outputs, width)
            return values * weight.view(-1, k, k, 1, 1)
        features = self.grid.features(factor.group).to(like)
        shape = (len(points), len(features), k * k)
        here = points[:, None].expand(*shape, -1)
        there = features[None, :, None].expand(*shape, -1)
        values = siren(torch.cat([here, there], -1).flatten(0, 2))
        values = values.view(*shape[:2], k, k, self.outputs, width)
        values = values * weight.view(-1, 1, k, k, 1, 1)
        return _routed(values, self.grid, self.grid.routes[window.representatives])

    def weight(self, offset: float = 0.0) -> Tensor:
        """Return the plain kernel (O N, I M, k, k), channels-last."""
        return expanded(self.samples(offset), self.grid, symmetries(self.grid, offset))


@dataclass(frozen=True)
class Window:
    """Where the taps of the representatives lie, and what they weigh."""

    grid: PlaneGrid
    size: int
    offset: float = 0.0

    @cached_property
    def representatives(self) -> Tensor:
        """(R,), int64."""
        return representatives(symmetries(self.grid, self.offset))

    @cached_property
    def radius(self) -> float:
        """Rho, in pixels, of a kernel at scale 1; the largest scale fills the window."""
        return self.size / (2 * self.grid.max_scale)

    @cached_property
    def taps(self) -> Tensor:
        """(k k, 2): the centres of the cells."""
        at = torch.arange(self.size, dtype=torch.float64) - (self.size - 1) / 2
        return torch.cartesian_prod(at, at)

    @cached_property
    def points(self) -> Tensor:
        """(R, k k, 2): u."""
        inverses = self.grid.inverses(self.offset)[self.representatives]
        return self.taps @ inverses.mT / self.radius

    @cached_property
    def weight(self) -> Tensor:
        """(R, k k): a mask without corners, and e^(-2 lambda), which keeps its integral.

        A single tap is a point: its integral needs no factor.
        """
        logs = self.grid.log_scales[self.representatives][:, None]
        distance = self.taps.norm(dim=1) / (self.radius * logs.exp())
        mask = torch.where(distance < 1, (torch.pi / 2 * distance).cos().square(), 0.0)
        return mask * (-2 * logs).exp() if self.size > 1 else mask


def symmetries(grid: PlaneGrid, offset: float) -> dict[str, Tensor]:
    """Return the lattice symmetries that a grid turned by `offset` has."""
    return grid.turns() if offset else grid.lattice


def _routed(values: Tensor, grid: PlaneGrid, routes: Tensor) -> Tensor:
    """Bring values at relative elements, (R, Q, ...), weighted, to where they lead, (R, M, ...)."""
    cells = grid.cells.to(values)
    values = values * cells.view(1, -1, *[1] * (values.dim() - 2))
    rows, device = len(routes), values.device
    at = routes.to(device) + grid.size * torch.arange(rows, device=device)[:, None]
    blank = values.new_zeros(rows * grid.size, *values.shape[2:])
    led = blank.index_add(0, at.flatten(), values.flatten(0, 1))
    return led.view(rows, grid.size, *values.shape[2:])


def routed_group(group: Tensor, grid: PlaneGrid) -> Tensor:
    """Return a factor of relative elements, (Q, O, J), by elements: (O, N, J, M)."""
    each = group.expand(grid.size, *group.shape)
    return _routed(each, grid, grid.routes).permute(2, 0, 3, 1)


def spread(values: Tensor, permutations: Mapping[str, Tensor], taps: int) -> Tensor:
    """Return values at all elements, (N, ...), from those at representatives, (R, ...).

    Args:
        values: sampled.
        permutations: the lattice symmetries; where `taps` is 2 they move the elements of axis 1.
        taps: the first of the two axes of taps.
    """
    first, device = representatives(permutations), values.device
    images, places = [], []
    for name, p in permutations.items():
        moved = values.index_select(1, p.argsort().to(device)) if taps == 2 else values
        image = ELEMENTS[name](moved.movedim((taps, taps + 1), (-2, -1)))
        images.append(image.movedim((-2, -1), (taps, taps + 1)))
        places.append(p[first])
    # No symmetry but the identity leaves an element where it is: each is met once.
    return torch.cat(images).index_select(0, torch.cat(places).argsort().to(device))


def expanded(samples: Samples, grid: PlaneGrid, permutations: Mapping[str, Tensor]) -> Tensor:
    """Return the plain kernel (O N, I M, k, k), channels-last, of sampled factors.

    Products and moves alone: equal samples give equal bits everywhere.
    """
    if "full" in samples:
        full = samples["full"]
        if full.shape[1] < grid.size:  # Of an image, which has no elements.
            full = spread(full[:, 0], permutations, 1)[:, None]
        else:
            full = spread(full, permutations, 2)
        kernel = full.permute(4, 0, 2, 3, 5, 1)  # (O, N, k, k, J, M)
    else:
        space = spread(samples["space"], permutations, 1)
        kernel = space.permute(3, 0, 1, 2, 4).contiguous()[..., None]
        if "group" in samples:
            group = routed_group(samples["group"], grid).contiguous()
            kernel = group[:, :, None, None] * kernel
    if "mix" in samples:
        kernel = samples["mix"][:, None, None, None, :, None] * kernel
    return kernel.contiguous().flatten(4).flatten(0, 1).permute(0, 3, 1, 2)
