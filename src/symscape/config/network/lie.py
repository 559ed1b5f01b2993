"""The group and the kernels of a network of group convolutions."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

from symscape.errors import ConfigError, check_choice, check_number

ROTATING = ("se2", "e2", "sim2")
SCALING = ("scale", "sim2")
LIE_GROUPS = ("none", "se2", "e2", "scale", "sim2")
KERNELS = (
    "nonseparable",
    "separable",
    "gseparable",
    "dseparable",
    "dgseparable",
    "separable+2d",
    "gseparable+2d",
    "pixels",
)


@dataclass
class GroupConfig:
    """The group that a network's maps are functions on, sampled on a grid."""

    name: str = "none"
    """none: the plane alone; se2: with turns; e2: with turns and reflections; scale: with scales;
    sim2: with turns and scales."""
    rotations: int = 8
    """Turns by 360 / rotations degrees (se2, e2, sim2). Quarter turns are exact where 4 divides
    it."""
    scales: int = 3
    """Scales from 1 to `max_scale`, in equal ratios (scale, sim2)."""
    max_scale: float = 1.74
    reach: int = 1
    """Steps of scale that a kernel sees up and down."""
    sampling: str = "fixed"
    """fixed; random: the grid is turned by a part of a step, drawn anew at every step of a
    training; evaluation is on the fixed one."""
    compute: str = "auto"
    """expanded: one plain convolution; passes: factor after factor, where a kernel has factors
    that allow it; auto: what needs fewer multiplications. Equal up to rounding."""

    def __post_init__(self) -> None:
        check_choice("group", self.name, LIE_GROUPS)
        check_choice("group.sampling", self.sampling, ("fixed", "random"))
        check_choice("group.compute", self.compute, ("auto", "expanded", "passes"))
        check_number("group.rotations", self.rotations, at_least=1)
        check_number("group.scales", self.scales, at_least=2)
        check_number("group.max_scale", self.max_scale, above=1)
        check_number("group.reach", self.reach, at_least=0, below=self.scales)
        if self.name in ROTATING and self.rotations < 2 and self.name != "e2":
            raise ConfigError("group.rotations", self.rotations, f"group={self.name} turns: >= 2")
        if self.sampling == "random" and not (self.rotates and self.rotations > 1):
            raise ConfigError("group.sampling", "random", "needs group.rotations > 1 and turns")

    @property
    def rotates(self) -> bool:
        """Whether it has turns."""
        return self.name in ROTATING

    def exact(self) -> str:
        """Return in a line what moves the maps of such a network exactly, and what does not."""
        if self.name == "none":
            return "group=none: no turn or scale is built in"
        turns = {4: "quarter turns", 2: "half turns"}
        kept = [next((turns[n] for n in (4, 2) if self.grid["rotations"] % n == 0), "")]
        kept += ["flips"] if self.name == "e2" else []
        said = " and ".join(filter(None, kept))
        exact = (
            f"exact under {said}, else up to sampling" if said else "exact under no turn or flip"
        )
        lines = [f"group={self.name}: {exact}"]
        if self.rotates and self.rotations % 4:
            no = f"group.rotations={self.rotations} is no multiple of 4, so not under quarter turns"
            lines.append(no)
        if self.scaled and self.reach:
            ends = "every" if self.scales <= 3 else "an outer"
            lines.append(f"{ends} step of scale moves maps off the end of the axis of scales")
        return "; ".join(lines)

    @property
    def grid(self) -> dict[str, Any]:
        """What the grid is made of: `symmetry.plane.PlaneGrid`'s arguments."""
        return {
            "rotations": self.rotations if self.rotates else 1,
            "scales": self.scales if self.scaled else 1,
            "reflections": self.name == "e2",
            "max_scale": self.max_scale if self.scaled else 1.0,
            "reach": self.reach if self.scaled else 0,
        }

    @property
    def scaled(self) -> bool:
        """Whether it has scales."""
        return self.name in SCALING


@dataclass
class KernelConfig:
    """Of which factors group kernels are made, and by what (Knigge et al. 2022)."""

    name: str = "separable"
    """A function of position and group element, or a product of functions of parts of them;
    pixels: free taps."""
    hidden: int = 64
    """Width of the SIRENs that compute these functions."""
    layers: int = 1
    """Hidden layers of theirs, behind the first."""
    first_omega: float = 5.0
    """Frequency of their first layer: larger ones make rougher kernels, which turn less exactly by
    angles other than 90 degrees."""
    omega: float = 5.0
    """Frequency of the others."""

    def __post_init__(self) -> None:
        check_choice("kernel", self.name, KERNELS)
        check_number("kernel.hidden", self.hidden, at_least=2)
        check_number("kernel.layers", self.layers, at_least=0)
        check_number("kernel.first_omega", self.first_omega, above=0)
        check_number("kernel.omega", self.omega, above=0)


def check_kernel(group: GroupConfig, kernel: KernelConfig) -> None:
    """Raise ConfigError where a group does not have what a kernel is a product of."""
    name, wants = kernel.name, None
    if name == "pixels":
        if group.scaled or (group.rotates and group.rotations not in (1, 2, 4)):
            wants = "needs rotations 1, 2 or 4 and no scales"
    elif name.endswith("+2d"):
        if group.name != "sim2" or not group.reach:
            wants = "needs group=sim2 and group.reach > 0"
    elif name != "nonseparable":
        if group.name == "none":
            wants = "needs group=se2, e2, scale or sim2; group=none takes pixels or nonseparable"
        elif group.name == "scale" and not group.reach:
            wants = "needs group.reach > 0"
    if wants:
        raise ConfigError("kernel", name, wants)


def check_scales(group: GroupConfig, taps: int) -> None:
    """Raise ConfigError where the largest scale fills a kernel and the smallest is one tap of it.

    Args:
        group: the group.
        taps: a side of the kernels.
    """
    if group.scaled and group.max_scale >= taps / 2:
        allowed = f"model.kernel_size={taps} needs less than {taps / 2:g}: else the smallest scale"
        raise ConfigError("group.max_scale", group.max_scale, f"{allowed} has one tap")
