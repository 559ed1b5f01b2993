"""One training run from its first step to its final weights."""

from __future__ import annotations

import logging
import warnings
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import lightning.pytorch as pl
import torch
from lightning.fabric.plugins.environments.lightning import LightningEnvironment
from rich.console import Console
from torch import nn

from symscape.config import TrainConfig
from symscape.data.batches import Batches
from symscape.data.images import ImageData, ImageSet
from symscape.errors import SymscapeError
from symscape.models.build import build_network
from symscape.training.checkpoint import LastCheckpoint, PlainCheckpointIO, whole_checkpoint
from symscape.training.hardware import LIGHTNING_PRECISION, Hardware
from symscape.training.loggers import Loggers
from symscape.training.module import Classifier
from symscape.training.plan import plan_network
from symscape.training.progress import ProgressBar, epoch_line
from symscape.training.recorder import Recorder, trajectory_steps

log = logging.getLogger("symscape")
EVALUATION_BATCH = 500


@dataclass(frozen=True)
class Fitted:
    """A trained network as it was trained, and the content hashes of the weights kept."""

    network: nn.Module
    hashes: dict[str, str]


def make_batches(images: ImageSet, data: ImageData, hardware: Hardware, **options: Any) -> Batches:
    """Return batches of a split on the training device, in the training's type."""
    return Batches(
        images,
        mean=data.mean,
        std=data.std,
        device=hardware.device,
        dtype=hardware.dtype,
        **options,
    )


def fit(
    config: TrainConfig,
    data: ImageData,
    hardware: Hardware,
    folder: Path,
    *,
    metadata: dict[str, Any],
    loggers: Loggers,
    console: Console,
) -> Fitted:
    """Train, or resume from the last whole checkpoint of `folder`.

    Raises:
        SymscapeError: the loss is not finite, or the checkpoint is damaged or of another network.
    """
    checkpoint = whole_checkpoint(folder / "checkpoints" / "last.ckpt")
    train = make_batches(
        data.train,
        data,
        hardware,
        batch_size=config.data.batch_size,
        policy=config.data.augment,
        seed=config.seed,
        shuffle=True,
        limit=config.trainer.limit_train_batches,
    )
    module = _module(config, data, len(train))
    _plan(config, data, hardware, folder, module.network, resumed=checkpoint is not None)
    if config.compile:
        # In place: a wrapper would put `_orig_mod` into the weights' names.
        module.network.compile()
    bar = ProgressBar(console, config.data.batch_size, metadata["name"])
    steps = trajectory_steps(config.trajectory, module.total_steps)
    images = min(len(data.train), len(train) * config.data.batch_size)

    def announce(row: dict[str, Any]) -> None:
        bar.show_accuracy(row)
        log.info(epoch_line(row, config.trainer.max_epochs, bar.remaining(trainer)))

    recorder = Recorder(folder, steps, metadata, images, announce)
    callbacks = [recorder, bar, LastCheckpoint(folder / "checkpoints" / "last.ckpt")]
    trainer = _trainer(config, hardware, folder, loggers, callbacks)
    val = make_batches(data.val, data, hardware, batch_size=EVALUATION_BATCH, shuffle=False)
    try:
        with _quiet(), _one_line_errors(checkpoint):
            trainer.fit(
                module,
                train,
                val if len(data.val) else None,
                ckpt_path=checkpoint,
                weights_only=True,
            )
    finally:
        bar.close()
    recorder.keep_final(module, trainer.global_step)
    return Fitted(module.network, recorder.hashes)


def _module(config: TrainConfig, data: ImageData, batches: int) -> Classifier:
    network = build_network(
        config.model,
        config.symmetry,
        in_channels=data.train.images.shape[1],
        classes=len(data.classes),
        seed=config.seed,
    )
    return Classifier(
        network,
        classes=len(data.classes),
        total_steps=batches * config.trainer.max_epochs,
        optimizer=config.optimizer,
        scheduler=config.scheduler,
        penalty=config.symmetry.strength if config.symmetry.parametrization == "penalty" else 0.0,
    )


def _plan(
    config: TrainConfig,
    data: ImageData,
    hardware: Hardware,
    folder: Path,
    network: nn.Module,
    *,
    resumed: bool,
) -> None:
    channels, height, width = data.train.images.shape[1:]
    batch = (config.data.batch_size, channels, height, width)
    # A compiled network is the compiler's.
    symmetry = replace(config.symmetry, compute="direct") if config.compile else config.symmetry
    plan_network(network, batch, symmetry, hardware, folder, resumed=resumed)


def _trainer(
    config: TrainConfig,
    hardware: Hardware,
    folder: Path,
    loggers: Loggers,
    callbacks: list[pl.Callback],
) -> pl.Trainer:
    # Float32 means float32: on a GPU, convolutions would round their inputs to 10 bits.
    torch.backends.cudnn.allow_tf32 = False
    # On CPUs the operations used here are deterministic as they are. Filling fresh memory, which
    # torch adds to the deterministic mode, costs time and changes no result.
    torch.utils.deterministic.fill_uninitialized_memory = False  # type: ignore[attr-defined]
    with _quiet():
        return pl.Trainer(
            accelerator=hardware.accelerator,
            devices=1,
            # Not what a batch system's variables suggest: Lightning would then requeue by itself.
            plugins=[LightningEnvironment(), PlainCheckpointIO()],
            default_root_dir=folder,
            precision=LIGHTNING_PRECISION[hardware.precision],  # type: ignore[arg-type]
            max_epochs=config.trainer.max_epochs,
            logger=loggers or False,
            callbacks=callbacks,
            deterministic=hardware.accelerator == "gpu",
            num_sanity_val_steps=0,
            enable_progress_bar=False,
            enable_model_summary=False,
            use_distributed_sampler=False,
        )


@contextmanager
def _quiet() -> Iterator[None]:
    """Keep Lightning's tips and advice for DataLoaders away."""
    noisy = [logging.getLogger(n) for n in ("lightning.pytorch", "lightning.fabric")]
    levels = [logger.level for logger in noisy]
    for logger in noisy:
        logger.setLevel(logging.ERROR)
    with warnings.catch_warnings():
        warnings.filterwarnings("ignore", module="lightning")
        warnings.filterwarnings("ignore", message=".*lr_scheduler.step.*")
        try:
            yield
        finally:
            for logger, level in zip(noisy, levels, strict=True):
                logger.setLevel(level)


@contextmanager
def _one_line_errors(checkpoint: Path | None) -> Iterator[None]:
    try:
        yield
    except torch.OutOfMemoryError as error:
        raise SymscapeError("the GPU is out of memory; try a smaller data.batch_size") from error
    except Exception as error:
        if checkpoint is None or "Error(s) in loading state_dict" not in str(error):
            raise
        reason = str(error).strip().splitlines()[0]
        raise SymscapeError(f"{checkpoint}: not a checkpoint of this run ({reason})") from error
