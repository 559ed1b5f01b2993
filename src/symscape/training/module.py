"""The LightningModule: one classifier, its loss, its metrics, its optimiser."""

from __future__ import annotations

import math
from collections.abc import Callable
from typing import Any

import lightning.pytorch as pl
import numpy as np
import torch
from torch import Tensor, nn
from torch.nn import functional

from symscape.config.groups import OptimizerConfig, SchedulerConfig
from symscape.errors import SymscapeError
from symscape.layers.factory import asymmetry
from symscape.layers.lie.sampling import draw_anew, drawn_of
from symscape.layers.sampling.grid import draw_grids, grids_of
from symscape.training.metrics import LossAndAccuracy
from symscape.training.ranks.meeting import mean_over_ranks
from symscape.training.schedule import learning_rate_factor

# A look at the loss makes a GPU wait, so it is not at every step.
STEPS_BETWEEN_CHECKS = 20


class Classifier(pl.LightningModule):
    """Trains a network with cross-entropy.

    Args:
        network: maps images (n, c, h, w) to logits (n, classes).
        total_steps: length of the training, which the schedule stretches over.
        penalty: weight of sum ||(I - P) K||^2; 0 leaves it out.
        seed: of what is drawn at every step.
        weight: of the mean loss of a step's batch, where it is a part of a larger one.
    """

    def __init__(
        self,
        network: nn.Module,
        *,
        total_steps: int,
        optimizer: OptimizerConfig,
        scheduler: SchedulerConfig,
        penalty: float = 0.0,
        seed: int = 0,
        weight: Callable[[int], float] = lambda step: 1.0,
    ) -> None:
        super().__init__()
        self.network = network
        self.optimizer_config, self.scheduler_config = optimizer, scheduler
        self.total_steps, self.penalty, self.weight = total_steps, penalty, weight
        self.seed, self.grids, self.drawn = seed, grids_of(network), drawn_of(network)
        self.train_metric, self.val_metric = LossAndAccuracy(), LossAndAccuracy()

    def training_step(self, batch: tuple[Tensor, Tensor], step: int) -> Tensor:
        """Return the loss of a batch."""
        draw_grids(self.grids, self.seed, self.global_step)
        draw_anew(self.drawn, self.seed, self.global_step)
        seed_layers(self.seed, self.global_step, self.global_rank)
        loss = self._cross_entropy(self.train_metric, batch)
        if (weight := self.weight(step)) != 1:
            loss = loss * weight
        if step % STEPS_BETWEEN_CHECKS == 0:
            self.check_finite(mean_over_ranks(loss.detach()))
        return loss + self.penalty * asymmetry(self.network) if self.penalty else loss

    def validation_step(self, batch: tuple[Tensor, Tensor], _: int) -> None:
        """Count a batch in the validation metrics."""
        self._cross_entropy(self.val_metric, batch)

    def _cross_entropy(self, metric: LossAndAccuracy, batch: tuple[Tensor, Tensor]) -> Tensor:
        images, labels = batch
        logits = self.network(images)
        logits = logits.to(torch.promote_types(logits.dtype, torch.float32))
        # An empty part of a batch has no mean; a zero that depends on the logits stands for it.
        loss = functional.cross_entropy(logits, labels) if len(labels) else logits.sum()
        metric.update(loss, logits, labels)
        return loss

    def finish_epoch(self) -> tuple[tuple[float, float], tuple[float, float] | None]:
        """Return (mean loss, accuracy) on training and on validation images; all ranks do so.

        Raises:
            SymscapeError: a loss or a weight is not finite.
        """
        train, val = _epoch_means(self.train_metric), _epoch_means(self.val_metric)
        assert train is not None
        for loss, _ in filter(None, (train, val)):
            self.check_finite(loss)
        # The last step may have spoilt weights that no loss has seen yet.
        self.check_weights()
        return train, val

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
        """Return the optimiser with a schedule that moves every step."""
        optimizer = make_optimizer(self.network, self.optimizer_config)
        scheduler = torch.optim.lr_scheduler.LambdaLR(
            optimizer,
            lambda step: learning_rate_factor(step, self.total_steps, self.scheduler_config),
        )
        every_step = {"scheduler": scheduler, "interval": "step"}
        return {"optimizer": optimizer, "lr_scheduler": every_step}


def seed_layers(seed: int, step: int, rank: int) -> None:
    """Seed what layers that are not ours draw at a step, as dropout does: a resumed run repeats."""
    torch.manual_seed(int(np.random.SeedSequence((seed, step, rank)).generate_state(1)[0]))


def make_optimizer(network: nn.Module, config: OptimizerConfig) -> torch.optim.Optimizer:
    """Return the optimiser of all of a network's parameters."""
    if config.name == "adam":
        return torch.optim.Adam(
            network.parameters(),
            lr=config.lr,
            betas=(config.momentum, 0.999),
            weight_decay=config.weight_decay,
        )
    return torch.optim.SGD(
        network.parameters(),
        lr=config.lr,
        momentum=config.momentum,
        weight_decay=config.weight_decay,
        nesterov=config.nesterov,
    )


def _epoch_means(metric: LossAndAccuracy) -> tuple[float, float] | None:
    """Return (mean loss, accuracy) and begin anew; None where no batch came."""
    if not metric.update_called:
        return None
    loss, accuracy = (float(mean) for mean in metric.compute())
    metric.reset()
    return loss, accuracy
