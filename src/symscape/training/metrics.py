"""What an epoch is judged by: mean loss and accuracy over its images."""

from __future__ import annotations

from collections.abc import Callable, Sequence

import torch
from torch import Tensor
from torchmetrics import Metric

TOTALS = ("loss", "correct", "count")


class LossAndAccuracy(Metric):
    """Mean loss and accuracy over the images of all batches, on all ranks.

    The totals are float64 scalars on the device of the network; `compute` adds those of all ranks.
    Only `compute` makes a GPU wait. Not torchmetrics' MeanMetric: that one (1.9) forgets the
    weights of ragged batches where its check for NaN, for which a GPU waits at every step, is off.
    """

    full_state_update = False
    loss: Tensor
    correct: Tensor
    count: Tensor

    def __init__(self) -> None:
        super().__init__()
        for name in TOTALS:
            self.add_state(name, torch.zeros((), dtype=torch.float64), dist_reduce_fx="sum")

    def update(self, loss: Tensor, logits: Tensor, labels: Tensor) -> None:
        """Count a batch.

        Args:
            loss: () the mean over all labels of the batch; any finite number where there are none.
            logits: (n, classes), or (n, classes, h, w) for a label a pixel.
            labels: (n,) or (n, h, w).
        """
        count = labels.numel()
        self.loss += loss.double() * count
        self.correct += (logits.argmax(1) == labels).sum()
        self.count += count

    def compute(self) -> tuple[Tensor, Tensor]:
        """Return (mean loss, accuracy), both (); NaN where nothing was counted."""
        return self.loss / self.count, self.correct / self.count

    def _apply(self, fn: Callable[[Tensor], Tensor], exclude_state: Sequence[str] = "") -> Metric:
        """Go where the network goes; the totals stay in float64, which `.to(dtype)` would round."""
        super()._apply(lambda t: t.to(fn(t.new_empty(0)).device), exclude_state)
        return self
