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


class Tally(nn.Module):
    """Mean loss and accuracy over the images of an epoch, summed on the device."""

    def __init__(self, classes: int) -> None:
        super().__init__()
        # torchmetrics' own check for NaN would make a GPU wait at every step.
        self.loss = MeanMetric(nan_strategy="disable")
        self.accuracy = MulticlassAccuracy(classes, average="micro", validate_args=False)

    def update(self, loss: Tensor, logits: Tensor, labels: Tensor) -> None:
        """Count a batch of n images: mean loss (), logits (n, classes), labels (n,)."""
        self.loss.update(loss, len(labels))
        self.accuracy.update(logits, labels)

    def read(self) -> tuple[float, float] | None:
        """Return (mean loss, accuracy) since the last call; None where nothing was counted."""
        if not self.loss.update_called:
            return None
        values = float(self.loss.compute()), float(self.accuracy.compute())
        self.loss.reset()
        self.accuracy.reset()
        return values


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
        self.fit_tally, self.val_tally = Tally(classes), Tally(classes)

    def training_step(self, batch: tuple[Tensor, Tensor], step: int) -> Tensor:
        """Return the loss of a batch."""
        loss = self._cross_entropy(self.fit_tally, batch)
        if step % STEPS_BETWEEN_CHECKS == 0:
            self.check_finite(loss.detach())
        return loss + self.penalty * asymmetry(self.network) if self.penalty else loss

    def validation_step(self, batch: tuple[Tensor, Tensor], _: int) -> None:
        """Count a batch in the validation metrics."""
        self._cross_entropy(self.val_tally, batch)

    def _cross_entropy(self, tally: Tally, batch: tuple[Tensor, Tensor]) -> Tensor:
        images, labels = batch
        logits = self.network(images)
        logits = logits.to(torch.promote_types(logits.dtype, torch.float32))
        loss = functional.cross_entropy(logits, labels)
        tally.update(loss.detach(), logits.detach(), labels)
        return loss

    def check_finite(self, loss: Tensor | float) -> None:
        """Raise SymscapeError where the loss is NaN or infinite."""
        if not math.isfinite(float(loss)):
            raise SymscapeError(
                f"loss={float(loss)} at step {self.global_step}: not finite; "
                f"try a smaller optimizer.lr than {self.optimizer_config.lr}"
            )

    def check_weights(self) -> None:
        """Raise SymscapeError where a parameter or buffer is NaN or infinite."""
        state = self.network.state_dict().values()
        if not all(bool(t.isfinite().all()) for t in state if t.is_floating_point()):
            self.check_finite(math.nan)

    def configure_optimizers(self) -> Any:
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
