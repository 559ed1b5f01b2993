"""What networks of group convolutions are built of: convolutions, norms, blocks, a head."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, replace

from torch import Tensor, nn
from torch.nn import functional

from symscape.layers.lie.conv import GroupConv2d
from symscape.layers.lie.kernel import KernelSpec
from symscape.layers.lie.norm import TiedBatchNorm, TiedLayerNorm, VectorBatchNorm
from symscape.layers.lie.pool import GroupMax
from symscape.layers.lie.sampling import Dropout, Turn
from symscape.symmetry.plane import PlaneGrid

HEAD = 256
"""Width of the head's hidden layer."""
NORMS: dict[str, Callable[[int, int], nn.Module]] = {
    "batch": TiedBatchNorm,
    "layer": TiedLayerNorm,
}


@dataclass(frozen=True)
class Parts:
    """What all layers of a network share."""

    grid: PlaneGrid
    kernel: KernelSpec
    size: int
    """k, of all kernels but the last and the shortcuts'."""
    norm: Callable[[int, int], nn.Module]
    pool: str
    turn: Turn

    def conv(
        self,
        inputs: int,
        outputs: int,
        size: int | None = None,
        *,
        lift: bool = False,
        padding: int | None = None,
        share: int = 1,
    ) -> GroupConv2d:
        """Return a convolution; `share` divides the width of what generates its kernel."""
        spec = self.kernel
        if share > 1:
            spec = replace(spec, hidden=spec.hidden // share)
        size = self.size if size is None else size
        options = {"lift": lift, "padding": padding, "turn": self.turn}
        return GroupConv2d(self.grid, spec, inputs, outputs, size, **options)  # type: ignore[arg-type]

    def normalised(self, channels: int) -> nn.Module:
        """Return a norm of C channels."""
        return self.norm(channels, self.grid.size)


class Block(nn.Module):
    """Two convolutions and a shortcut around them."""

    def __init__(self, parts: Parts, inputs: int, outputs: int) -> None:
        super().__init__()
        self.conv1, self.norm1 = parts.conv(inputs, inputs), parts.normalised(inputs)
        self.conv2, self.norm2 = parts.conv(inputs, outputs), parts.normalised(outputs)
        self.shortcut = (
            nn.Identity() if inputs == outputs else parts.conv(inputs, outputs, 1, share=2)
        )

    def forward(self, x: Tensor) -> Tensor:
        """Map x (B, inputs N, H, W) to (B, outputs N, H, W)."""
        y = functional.relu(self.norm1(self.conv1(x)), inplace=True)
        y = functional.relu(self.norm2(self.conv2(y)), inplace=True)
        return functional.relu(y + self.shortcut(x), inplace=True)


class Head(nn.Module):
    """Maximum over group and pixels, a hidden layer, logits."""

    def __init__(self, channels: int, elements: int, classes: int) -> None:
        super().__init__()
        self.pool = GroupMax(elements)
        self.hidden = nn.Linear(channels, HEAD, bias=False)
        self.norm = VectorBatchNorm(HEAD)
        self.dropout = Dropout(0.3)
        self.out = nn.Linear(HEAD, classes)

    def forward(self, x: Tensor) -> Tensor:
        """Map x (B, C N, H, W) to logits (B, classes)."""
        y = functional.relu(self.norm(self.hidden(self.pool(x))))
        logits: Tensor = self.out(self.dropout(y))
        return logits
