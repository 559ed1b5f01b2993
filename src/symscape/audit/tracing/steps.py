"""What a pass through a network notes: steps, each with the steps that it reads."""

from __future__ import annotations

from dataclasses import dataclass, field

from symscape.audit.kernels import Convolution

Pair = tuple[int, int]
"""Rows and columns."""

WINDOWS = ("convolution", "max pool", "average pool", "slice", "blur")


@dataclass(frozen=True)
class Axis:
    """How windows lie on one axis of a map."""

    kernel: int
    stride: int = 1
    dilation: int = 1
    before: int = 0
    """Rows padded before the first one; negative: left out."""
    after: int = 0
    output_padding: int = 0
    """Of a transposed convolution."""


@dataclass(frozen=True)
class Step:
    """Something that happens to maps.

    `op` is one of WINDOWS; `input`; `transposed`; `pad` (which a later window may pay for);
    `adaptive pool` and `resize` (to `size`); `nearest`; `merge` (of maps pixel by pixel);
    `head` (the map ends); `unknown`.
    """

    op: str
    layer: str
    """The innermost module that it happens in, as PyTorch names it."""
    reads: tuple[int, ...] = ()
    """Which steps made what it reads."""
    axes: tuple[Axis, Axis] | None = None
    size: Pair = (0, 0)
    """The map's rows and columns behind it, padding included."""
    ceil: bool = False
    """Whether windows may hang over the end."""
    corners: bool = False
    """Of a resize: whether corner pixels stay where they are."""
    automatic: bool = False
    """Of a blur: whether its filter depends on the map's size."""


@dataclass
class Trace:
    """One pass: its steps in the order of execution, and the kernels applied."""

    input_size: Pair
    steps: list[Step] = field(default_factory=list)
    convolutions: list[Convolution] = field(default_factory=list)
    head: str = "none"
    """global: the map is averaged (or its maximum taken) before it is read; positional: a linear
    layer reads each of its pixels by itself; dense: the output is a map; none: unknown."""
    unknown: str = ""
    """The first operation from which on the map cannot be followed, and where."""
    output: tuple[int, ...] = ()
    """The shape of the network's output."""
    dynamic: bool = False
    """Whether what is padded, cut or resized may depend on the image's size."""
