"""Pools that keep turns exact, and the pool over the group."""

from __future__ import annotations

from torch import Tensor, nn
from torch.nn import functional


class HalvingPool(nn.Module):
    """Halves a map: 2 x 2 windows where it has an even number of pixels, 3 x 3 where odd.

    Windows that fit the map treat both of its ends alike; others would shift what a turn brings
    from one end to the other.

    Args:
        kind: `mean`, over the pixels that there are, or `max`.
    """

    def __init__(self, kind: str = "mean") -> None:
        super().__init__()
        self.kind = kind

    def forward(self, x: Tensor) -> Tensor:
        """Map x (B, C, H, W) to (B, C, ceil(H / 2), ceil(W / 2))."""
        size = [2 if n % 2 == 0 else 3 for n in x.shape[-2:]]
        pads = [n % 2 for n in x.shape[-2:]]
        if self.kind == "max":
            return functional.max_pool2d(x, size, 2, pads)
        return functional.avg_pool2d(x, size, 2, pads, count_include_pad=False)


class GroupMax(nn.Module):
    """The maximum over the group and all pixels: what is left does not move with the image."""

    def __init__(self, size: int) -> None:
        super().__init__()
        self.size = size

    def forward(self, x: Tensor) -> Tensor:
        """Map x (B, C N, H, W) to (B, C)."""
        return x.amax((2, 3)).view(len(x), x.shape[1] // self.size, self.size).amax(2)
