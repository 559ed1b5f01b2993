"""Groups of turns, scalings and reflections of the plane, sampled on a fixed grid of N elements.

An element h = (m, theta, lambda) acts on a position (y, x), y down, by the matrix
A(h) = e^lambda R(theta) D^m with R(theta) = [[cos, -sin], [sin, cos]], which turns
counter-clockwise as seen, and D = diag(1, -1), the horizontal flip. Elements are numbered
n = (m R + r) S + s for R rotations and S scales.

Of the symmetries of the square, some map the grid to itself; these the lattice of pixels can follow
without interpolation, so under them equivariance is exact.
"""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass
from functools import cached_property

import torch
from torch import Tensor

# Each element of D4 as (quarter turns c, reflection b): the matrix R(c pi / 2) D^b.
QUARTERS: dict[str, tuple[int, int]] = {
    "identity": (0, 0),
    "rot90": (1, 0),
    "rot180": (2, 0),
    "rot270": (3, 0),
    "hflip": (0, 1),
    "transpose": (1, 1),
    "vflip": (2, 1),
    "antitranspose": (3, 1),
}


@dataclass(frozen=True)
class PlaneGrid:
    """A grid of group elements; one class serves all groups.

    SE(2) has rotations, E(2) reflections too, R^2 x R+ scales, Sim(2) rotations and scales.
    """

    rotations: int = 1
    """R: theta = 2 pi r / R."""
    scales: int = 1
    """S: e^lambda from 1 to `max_scale`, in equal ratios."""
    reflections: bool = False
    max_scale: float = 1.0
    reach: int = 0
    """How many steps of scale a kernel sees up and down; 0 without scales."""

    @property
    def mirrors(self) -> int:
        """2 with reflections, else 1."""
        return 2 if self.reflections else 1

    @property
    def size(self) -> int:
        """N, the number of elements."""
        return self.mirrors * self.rotations * self.scales

    @cached_property
    def places(self) -> Tensor:
        """(N, 3), int64: m, r and s of each element."""
        axes = [torch.arange(n) for n in (self.mirrors, self.rotations, self.scales)]
        return torch.cartesian_prod(*axes).view(-1, 3)

    def index(self, m: Tensor, r: Tensor, s: Tensor) -> Tensor:
        """Return the numbers of elements; r counts modulo R."""
        return (m * self.rotations + r % self.rotations) * self.scales + s

    @cached_property
    def log_scales(self) -> Tensor:
        """(N,), float64: lambda."""
        step = math.log(self.max_scale) / (self.scales - 1) if self.scales > 1 else 0.0
        return self.places[:, 2].double() * step

    def inverses(self, offset: float = 0.0) -> Tensor:
        """Return A(h)^-1 of every element, (N, 2, 2), float64.

        Args:
            offset: by which all elements are turned, in radians.
        """
        theta = self.places[:, 1].double() * (2 * math.pi / self.rotations) + offset
        # A^-1 = e^-lambda D^m R(-theta).
        cos, sin = theta.cos(), theta.sin()
        back = torch.stack([cos, sin, -sin, cos], 1).view(-1, 2, 2)
        flip = 1.0 - 2.0 * self.places[:, 0].double()
        back = torch.stack([back[:, 0], back[:, 1] * flip[:, None]], 1)
        return back * (-self.log_scales).exp()[:, None, None]

    @cached_property
    def lattice(self) -> dict[str, Tensor]:
        """The symmetries l of the square that map the grid to itself, by name, identity first.

        Each with the permutation p (N,), int64, where h_p(n) = l h_n.
        """
        m, r, s = self.places.unbind(1)
        found = {}
        for name, (turns, bit) in QUARTERS.items():
            if (turns * self.rotations) % 4 or (bit and not self.reflections):
                continue
            turned = (-r if bit else r) + turns * self.rotations // 4
            found[name] = self.index(m ^ bit, turned, s)
        return found

    def turns(self) -> dict[str, Tensor]:
        """Return those of the lattice that reflect nothing: a turned grid keeps them too."""
        return {name: p for name, p in self.lattice.items() if not QUARTERS[name][1]}

    @cached_property
    def relatives(self) -> Tensor:
        """(Q, 3), int64: the relative elements (b, v, j) that a group kernel has values for."""
        j = torch.arange(-self.reach, self.reach + 1)
        axes = (torch.arange(self.mirrors), torch.arange(self.rotations), j)
        return torch.cartesian_prod(*axes).view(-1, 3)

    @cached_property
    def cells(self) -> Tensor:
        """(Q,), float64: Haar weights of the relative elements, a hat in scale; their sum is 1."""
        hat = 1 - self.relatives[:, 2].abs().double() / (self.reach + 1)
        return hat / ((self.reach + 1) * self.rotations * self.mirrors)

    @cached_property
    def routes(self) -> Tensor:
        """(N, Q), int64: the element h_n q; the ends of the scale axis continue it."""
        m, r, s = (column[:, None] for column in self.places.unbind(1))
        b, v, j = self.relatives.unbind(1)
        return self.index(m ^ b, r + (1 - 2 * m) * v, (s + j).clamp(0, self.scales - 1))

    def features(self, axes: str) -> Tensor:
        """Return what kernels see of the relative elements, (Q, d), float64.

        Args:
            axes: `angle` (cosine and sine, and the reflection's sign), `scale`, or `both`.
        """
        b, v, j = (column.double() for column in self.relatives.unbind(1))
        angle = v * (2 * math.pi / self.rotations)
        columns = []
        if axes != "scale" and self.rotations > 1:
            columns += [angle.cos(), angle.sin()]
        if axes != "scale" and self.reflections:
            columns.append(1 - 2 * b)
        if axes != "angle" and self.reach:
            columns.append(j / (self.reach + 1))
        return torch.stack(columns, 1) if columns else torch.zeros(len(b), 0, dtype=b.dtype)

    @cached_property
    def translations(self) -> Tensor:
        """(T, N), int64: n -> n tau for every tau of the grid without scale, the identity first.

        A feature that is moved so, f(x, h tau), is as equivariant as before.
        """
        m, r, s = self.places.unbind(1)
        moved = [
            self.index(m ^ b, r + (1 - 2 * m) * v, s)
            for b in range(self.mirrors)
            for v in range(self.rotations)
        ]
        return torch.stack(moved)


def representatives(permutations: Mapping[str, Tensor]) -> Tensor:
    """Return the first element of each orbit, int64, in order."""
    first: Tensor = torch.unique(torch.stack(list(permutations.values())).amin(0))
    return first
