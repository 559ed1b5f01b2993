"""How a strided block leaves pixels out."""

from __future__ import annotations

from dataclasses import dataclass

from symscape.layers.sampling.blur import Blur
from symscape.layers.sampling.grid import Grid


@dataclass(frozen=True)
class Thinning:
    """What a network's strided blocks do in place of taking every second pixel."""

    name: str = "stride"
    """stride; blur: after the activation, in place of all strides of a block; sbpool: strides on
    grids that are drawn anew at every step of a training."""
    taps: int | None = None
    """Of the blur; None: what balances the map at hand."""
    padding: str = "zeros"
    """Of the network's convolutions: where it is circular, the blur's is too."""

    def parts(self) -> tuple[Blur | None, Grid | None]:
        """Return a new blur, or a new grid for all branches of a block, or neither."""
        if self.name == "blur":
            return Blur(self.taps, "circular" if self.padding == "circular" else "reflect"), None
        return None, Grid() if self.name == "sbpool" else None
