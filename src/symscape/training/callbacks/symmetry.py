"""How symmetric kernels are, logged along anyone's training."""

from __future__ import annotations

import math

import lightning.pytorch as pl
from lightning.pytorch.callbacks import Callback

from symscape.errors import check_choice, check_number
from symscape.symmetry.measures import MEASURES, mean_over_layers, measure_network

KINDS = ("layer", "mean_kernel")


class KernelSymmetry(Callback):
    """Logs S of every convolution after every epoch, and before the first one.

    Named `symmetry/KIND/GROUP/LAYER`, with `symmetry/KIND/GROUP` for the mean over layers, where
    any of the trainer's loggers and `monitor=` of its other callbacks find them. Layers whose S
    does not exist (a zero kernel, one that is not square where the group needs it) are left out.
    Cost: one pass over the kernels an epoch.

    Args:
        group: of the elements that S is about: h, v, hv, rot180, rot90 or total (all of D4).
        kind: layer: all kernels of a layer together; mean_kernel: their signed mean.
        every: epochs between two looks.
    """

    def __init__(self, group: str = "total", kind: str = "layer", every: int = 1) -> None:
        check_choice("group", group, MEASURES)
        check_choice("kind", kind, KINDS)
        check_number("every", every, at_least=1)
        self.group, self.kind, self.every = group, kind, every

    def measure(self, module: pl.LightningModule) -> dict[str, float]:
        """Return what is logged of a module as it is."""
        name = f"symmetry/{self.kind}/{self.group}"
        wanted = [
            m
            for m in measure_network(module)
            if (m.kind, m.group) == (self.kind, self.group) and not math.isnan(m.value)
        ]
        found = {f"{name}/{m.layer}": m.value for m in wanted}
        mean = mean_over_layers(wanted).get((self.kind, self.group))
        return found if mean is None else found | {name: mean}

    def on_train_start(self, trainer: pl.Trainer, pl_module: pl.LightningModule) -> None:
        """Log what the training starts from; Lightning's own log begins with the first step."""
        if trainer.global_step == 0:
            for logger in trainer.loggers:
                logger.log_metrics(self.measure(pl_module), step=0)

    def on_train_epoch_end(self, trainer: pl.Trainer, pl_module: pl.LightningModule) -> None:
        """Log what an epoch has made of it."""
        if (trainer.current_epoch + 1) % self.every == 0:
            pl_module.log_dict(self.measure(pl_module))
