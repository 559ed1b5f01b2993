"""The LightningModule: one classifier, its loss, its metrics, its optimiser."""

from __future__ import annotations

import math
from typing import Any

import lightning.pytorch as pl
import torch
from torch import Tensor, nn
from torch.nn import functional
from torchmetrics import MeanMetric
from torchmetrics.classification import MulticlassAccuracy

from symscape.config import OptimizerConfig, SchedulerConfig
from symscape.errors import SymscapeError
from symscape.layers.factory import asymmetry
from symscape.training.schedule import learning_rate_factor

# A look at the loss makes a GPU wait, so it is not at every step.
STEPS_BETWEEN_CHECKS = 20


class Classifier(pl.LightningModule):
    """Trains a network with cross-entropy.

    Args:
        network: maps images (n, c, h, w) to logits (n, classes).
        classes: number of classes.
        total_steps: length of the training, which the schedule stretches over.
        penalty: weight of sum ||(I - P) K||^2; 0 leaves it out.
    """

    def __init__(
        self,
        network: nn.Module,
        *,
        classes: int,
        total_steps: int,
        optimizer: OptimizerConfig,
        scheduler: SchedulerConfig,
        penalty: float = 0.0,
    ) -> None:
        super().__init__()
        self.network = network
        self.optimizer_config, self.scheduler_config = optimizer, scheduler
        self.total_steps, self.penalty = total_steps, penalty
        # Means and counts without torchmetrics' own NaN check, which would stop a GPU every step.
        self.losses = nn.ModuleDict({s: MeanMetric(nan_strategy="disable") for s in ("fit", "val")})
        self.accuracies = nn.ModuleDict(
            {
                split: MulticlassAccuracy(classes, average="micro", validate_args=False)
                for split in ("fit", "val")
            }
        )

    def training_step(self, batch: tuple[Tensor, Tensor], step: int) -> Tensor:
        """Return the loss of a batch."""
        loss = self._cross_entropy("fit", batch)
        if step % STEPS_BETWEEN_CHECKS == 0:
            self.check_finite(loss)
        return loss + self.penalty * asymmetry(self.network) if self.penalty else loss

    def validation_step(self, batch: tuple[Tensor, Tensor], _: int) -> None:
        """Count a batch in the validation metrics."""
        self._cross_entropy("val", batch)

    def _cross_entropy(self, split: str, batch: tuple[Tensor, Tensor]) -> Tensor:
        images, labels = batch
        logits = self.network(images)
        logits = logits.to(torch.promote_types(logits.dtype, torch.float32))
        loss = functional.cross_entropy(logits, labels)
        self.losses[split].update(loss.detach(), len(labels))
        self.accuracies[split].update(logits.detach(), labels)
        return loss

    def check_finite(self, loss: Tensor | float) -> None:
        """Raise SymscapeError where the loss is NaN or infinite."""
        if not math.isfinite(float(loss)):
            raise SymscapeError(
                f"loss={float(loss)} at step {self.global_step}: not finite; "
                f"try a smaller optimizer.lr than {self.optimizer_config.lr}"
            )

    def read_metrics(self, split: str) -> tuple[float, float]:
        """Return (mean loss, accuracy) since the last call; NaN where nothing was counted."""
        loss, accuracy = self.losses[split], self.accuracies[split]
        counted = bool(loss.update_called)
        values = (float(loss.compute()), float(accuracy.compute())) if counted else (math.nan,) * 2
        loss.reset()
        accuracy.reset()
        return values[0], values[1]

    def configure_optimizers(self) -> dict[str, Any]:
        """Return SGD with a schedule that moves every step."""
        config = self.optimizer_config
        sgd = torch.optim.SGD(
            self.network.parameters(),
            lr=config.lr,
            momentum=config.momentum,
            weight_decay=config.weight_decay,
            nesterov=config.nesterov,
        )
        scheduler = torch.optim.lr_scheduler.LambdaLR(
            sgd, lambda step: learning_rate_factor(step, self.total_steps, self.scheduler_config)
        )
        return {"optimizer": sgd, "lr_scheduler": {"scheduler": scheduler, "interval": "step"}}
