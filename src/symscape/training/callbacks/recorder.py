"""The callback that writes what a run leaves behind: metrics, symmetry measures, weights."""

from __future__ import annotations

import time
from collections.abc import Callable
from typing import Any

import lightning.pytorch as pl
import torch
from lightning.pytorch.callbacks import Callback

from symscape.errors import SymscapeError
from symscape.layers.effective import stored_state
from symscape.layers.lie.conv import GroupConv2d
from symscape.layers.lie.storage import generators
from symscape.runs.find import weights_path
from symscape.runs.identity import Identity
from symscape.runs.tables import Row, Value, append_rows, keep_epochs
from symscape.runs.weights import save_weights
from symscape.symmetry.measures import (
    MEASURES,
    Measure,
    mean_over_layers,
    measure_network,
    null_band,
)
from symscape.symmetry.redundancy import redundancy
from symscape.training.module import Classifier

TABLES = ("metrics.csv", "symmetry.csv", "redundancy.csv")
"""What grows with a run; the last only where there are group kernels."""


def trajectory_steps(count: int, total: int) -> list[int]:
    """Return up to `count` steps in 1 .. total-1, spaced logarithmically: dense at the start."""
    if total < 2 or count < 1:
        return []
    spaced = (round((total - 1) ** (i / max(count - 1, 1))) for i in range(count))
    return sorted(set(spaced))


class Follower(Callback):
    """What stands in place of a Recorder where another process writes."""

    def on_train_epoch_end(self, trainer: pl.Trainer, pl_module: pl.LightningModule) -> None:
        """Take part in the epoch's sums."""
        assert isinstance(pl_module, Classifier)
        pl_module.finish_epoch()


class Recorder(Callback):
    """Writes weights at the steps of the trajectory, and a row of metrics an epoch.

    Args:
        identity: of the run.
        steps: optimiser steps after which weights are kept, besides `init` and `final`.
        images_per_epoch: for the throughput.
        announce: receives each epoch's row.
    """

    def __init__(
        self,
        identity: Identity,
        steps: list[int],
        images_per_epoch: int,
        announce: Callable[[dict[str, Value]], None],
    ) -> None:
        self.folder, self.metadata, self.steps = identity.folder, identity.metadata, set(steps)
        self.images_per_epoch, self.announce = images_per_epoch, announce
        self.hashes: dict[str, str] = {}
        self.train_seconds = 0.0

    def on_train_start(self, trainer: pl.Trainer, pl_module: pl.LightningModule) -> None:
        """Write the initial state of a new run; cut the tables of a resumed one."""
        if trainer.global_step > 0:
            for name in TABLES:
                keep_epochs(self.folder / name, trainer.current_epoch)
            return
        for name in TABLES:
            (self.folder / name).unlink(missing_ok=True)
        self._keep(pl_module, "init", 0)
        self._write_symmetry(pl_module, epoch=0)
        self._write_redundancy(pl_module, epoch=0)

    def on_train_epoch_start(self, *_: object) -> None:
        """Start the clock."""
        self.epoch_start = time.perf_counter()

    def on_train_batch_start(
        self, trainer: pl.Trainer, pl_module: pl.LightningModule, *_: object
    ) -> None:
        """Note the learning rate that this step uses: the schedule moves on before it ends."""
        self.lr = trainer.optimizers[0].param_groups[0]["lr"]

    def on_train_batch_end(
        self, trainer: pl.Trainer, pl_module: pl.LightningModule, *_: object
    ) -> None:
        """Keep the weights where the trajectory wants them, and the time of the last batch."""
        if trainer.is_last_batch and pl_module.device.type == "cuda":
            torch.cuda.synchronize()  # Else the clock would stop with work still queued.
        self.train_seconds = time.perf_counter() - self.epoch_start
        if trainer.global_step in self.steps:
            self._keep(pl_module, str(trainer.global_step), trainer.global_step)

    def on_train_epoch_end(self, trainer: pl.Trainer, pl_module: pl.LightningModule) -> None:
        """Write the epoch's row; it comes before the checkpoint of the epoch."""
        assert isinstance(pl_module, Classifier)
        train, val = pl_module.finish_epoch()
        epoch = trainer.current_epoch + 1
        measures = self._write_symmetry(pl_module, epoch)
        self._write_redundancy(pl_module, epoch)
        means = {f"symmetry/{k}/{g}": v for (k, g), v in mean_over_layers(measures).items()}
        row: dict[str, Value] = {
            "epoch": epoch,
            "step": trainer.global_step,
            "lr": self.lr,
            "train/loss": train[0],
            "train/accuracy": train[1],
            "val/loss": val[0] if val else "",
            "val/accuracy": val[1] if val else "",
            "seconds": round(time.perf_counter() - self.epoch_start, 3),
            "images_per_second": round(self.images_per_epoch / self.train_seconds, 1),
            **means,
        }
        append_rows(self.folder / "metrics.csv", [row])
        self._log(trainer, row, measures)
        self.announce(row)

    def _log(self, trainer: pl.Trainer, row: Row, measures: list[Measure]) -> None:
        layers = {
            f"symmetry/{m.kind}/total/{m.layer}": m.value for m in measures if m.group == "total"
        }
        numbers = {k: float(v) for k, v in {**row, **layers}.items() if v != ""}
        for logger in trainer.loggers:
            logger.log_metrics(numbers, step=trainer.global_step)

    def _keep(self, module: pl.LightningModule, name: str, step: int) -> None:
        path = weights_path(self.folder, name)
        state = stored_state(module.network)  # type: ignore[arg-type]
        self.hashes[path.stem] = save_weights(path, state, {**self.metadata, "step": step})

    def keep_final(self, module: Classifier, step: int) -> None:
        """Write the final weights, and what group kernels are generated from, for other grids."""
        self._keep(module, "final", step)
        if made_of := generators(module.network):
            path = weights_path(self.folder, "final").with_suffix(".generator.safetensors")
            save_weights(path, made_of, {**self.metadata, "step": step})

    def _write_symmetry(self, module: pl.LightningModule, epoch: int) -> list[Measure]:
        assert isinstance(module, Classifier)
        measures = measure_network(module.network)
        rows = [_symmetry_row(epoch, m) for m in measures]
        if rows:
            append_rows(self.folder / "symmetry.csv", rows)
        return measures

    def _write_redundancy(self, module: pl.LightningModule, epoch: int) -> None:
        assert isinstance(module, Classifier)
        layers = module.network.named_modules()
        convs = ((name, m) for name, m in layers if isinstance(m, GroupConv2d))
        rows = [row for name, conv in convs for row in _redundancy_rows(epoch, name, conv)]
        if rows:
            append_rows(self.folder / "redundancy.csv", rows)

    def state_dict(self) -> dict[str, Any]:
        """Return what a checkpoint keeps: whose it is, the hashes of the weights so far."""
        return {"run": dict(self.metadata), "hashes": dict(self.hashes)}

    def load_state_dict(self, state: dict[str, Any]) -> None:
        """Take up an interrupted run.

        Raises:
            SymscapeError: the checkpoint is another run's.
        """
        if state["run"] != self.metadata:
            other = f"{state['run'].get('name')} seed={state['run'].get('seed')}"
            raise SymscapeError(f"{self.folder}: its checkpoint is one of {other}")
        self.hashes = dict(state["hashes"])


def _symmetry_row(epoch: int, measure: Measure) -> Row:
    banded = measure.kind == "mean_kernel" and not measure.reason
    null = null_band(measure.kernel_size, MEASURES[measure.group]) if banded else None
    return {
        "epoch": epoch,
        "layer": measure.layer,
        "depth": measure.depth,
        "kind": measure.kind,
        "group": measure.group,
        "value": measure.value,
        "null_low": null.low if null else "",
        "null_mean": null.mean if null else "",
        "null_high": null.high if null else "",
    }


def _redundancy_rows(epoch: int, layer: str, conv: GroupConv2d) -> list[Row]:
    """Return what is redundant along the group; nothing where one tap or one element is."""
    size, elements = conv.grid.size, conv.kernel.elements
    if elements == 1 or conv.kernel_size == 1:
        return []
    with torch.no_grad():
        found = redundancy(conv.weight, size, elements)
    return [
        {"epoch": epoch, "layer": layer, "kind": kind, "centred": int(centred), "value": value}
        for (kind, centred), value in found.items()
    ]
