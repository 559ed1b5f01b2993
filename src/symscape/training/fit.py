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
from lightning.pytorch.callbacks import Callback
from rich.console import Console
from torch import nn

from symscape.config.train import TrainConfig
from symscape.data.batches import Batches
from symscape.data.images import ImageData, ImageSet
from symscape.errors import SymscapeError
from symscape.models.build import build_network
from symscape.training.checkpoint import (
    LAST_CHECKPOINT,
    LastCheckpoint,
    PlainCheckpointIO,
    whole_checkpoint,
)
from symscape.training.hardware import LIGHTNING_PRECISION, Hardware
from symscape.training.loggers.run import Loggers
from symscape.training.module import Classifier
from symscape.training.plan import plan_network
from symscape.training.progress import ProgressBar, epoch_line
from symscape.training.ranks.place import Place
from symscape.training.ranks.strategy import OwnSignals, Seats, ddp_strategy, leave_signals_alone
from symscape.training.recorder import Follower, Recorder, trajectory_steps

log = logging.getLogger("symscape")
EVALUATION_BATCH = 500
ALONE = Place()


@dataclass(frozen=True)
class Fitted:
    """A trained network as it was trained, and the content hashes of the weights kept."""

    network: nn.Module
    hashes: dict[str, str]


def make_batches(
    images: ImageSet, data: ImageData, hardware: Hardware, place: Place = ALONE, **options: Any
) -> Batches:
    """Return batches of a split on the training device, in the training's type."""
    return Batches(
        images,
        mean=data.mean,
        std=data.std,
        device=hardware.device,
        dtype=hardware.dtype,
        rank=place.rank,
        ranks=place.ranks,
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
    place: Place = ALONE,
) -> Fitted:
    """Train, or resume from the last whole checkpoint of `folder`.

    Where this is the first of several ranks the others must call `follow`.

    Raises:
        SymscapeError: the loss is not finite, or the checkpoint is damaged or of another network.
    """
    checkpoint = whole_checkpoint(folder / LAST_CHECKPOINT)
    train = _train_batches(config, data, hardware, place)
    module = _module(config, data, hardware, train)
    _plan(config, data, hardware, folder, module.network, place, resumed=checkpoint is not None)
    bar = ProgressBar(console, config.data.batch_size, metadata["name"])
    steps = trajectory_steps(config.trajectory, module.total_steps)
    images = min(len(data.train), len(train) * config.data.batch_size)

    def announce(row: dict[str, Any]) -> None:
        bar.show_accuracy(row)
        log.info(epoch_line(row, config.trainer.max_epochs, bar.remaining(trainer)))

    recorder = Recorder(folder, steps, metadata, images, announce)
    trainer = _trainer(config, hardware, folder, loggers, [recorder, bar], place)
    try:
        _fit(trainer, module, train, data, hardware, place, checkpoint)
    finally:
        bar.close()
    recorder.keep_final(module, trainer.global_step)
    return Fitted(module.network, recorder.hashes)


def follow(
    config: TrainConfig, data: ImageData, hardware: Hardware, folder: Path, place: Place
) -> None:
    """Do the part of a rank other than the first, which writes nothing.

    Raises:
        SymscapeError: as for `fit`.
    """
    checkpoint = whole_checkpoint(folder / LAST_CHECKPOINT)
    train = _train_batches(config, data, hardware, place)
    module = _module(config, data, hardware, train)
    _plan(config, data, hardware, folder, module.network, place, resumed=checkpoint is not None)
    trainer = _trainer(config, hardware, folder, [], [Follower()], place)
    _fit(trainer, module, train, data, hardware, place, checkpoint)


def _train_batches(
    config: TrainConfig, data: ImageData, hardware: Hardware, place: Place
) -> Batches:
    return make_batches(
        data.train,
        data,
        hardware,
        place,
        batch_size=config.data.batch_size,
        policy=config.data.augment,
        seed=config.seed,
        shuffle=True,
        limit=config.trainer.limit_train_batches,
    )


def _fit(
    trainer: pl.Trainer,
    module: Classifier,
    train: Batches,
    data: ImageData,
    hardware: Hardware,
    place: Place,
    checkpoint: Path | None,
) -> None:
    val = make_batches(data.val, data, hardware, place, batch_size=EVALUATION_BATCH, shuffle=False)
    with _quiet(), _one_line_errors(checkpoint):
        trainer.fit(
            module,
            train,
            val if len(data.val) else None,
            ckpt_path=checkpoint,
            weights_only=True,
        )


def _module(config: TrainConfig, data: ImageData, hardware: Hardware, train: Batches) -> Classifier:
    network = build_network(
        config.model,
        config.symmetry,
        in_channels=data.train.images.shape[1],
        classes=len(data.classes),
        seed=config.seed,
    )
    # Lightning would convert the network after it has loaded a checkpoint, rounding its weights.
    network = network.to(hardware.dtype)
    return Classifier(
        network,
        total_steps=len(train) * config.trainer.max_epochs,
        optimizer=config.optimizer,
        scheduler=config.scheduler,
        penalty=config.symmetry.strength if config.symmetry.parametrization == "penalty" else 0.0,
        weight=train.weight,
    )


def _plan(
    config: TrainConfig,
    data: ImageData,
    hardware: Hardware,
    folder: Path,
    network: nn.Module,
    place: Place,
    *,
    resumed: bool,
) -> None:
    """Set how the layers compute, alike on all ranks."""
    size = max(1, config.data.batch_size // place.ranks)
    plan_network(
        network,
        (size, *data.train.images.shape[1:]),
        # A compiled network is the compiler's.
        replace(config.symmetry, compute="direct") if config.compile else config.symmetry,
        hardware,
        folder,
        resumed=resumed,
        keep=place.rank == 0,
    )
    if config.compile:
        # In place: a wrapper would put `_orig_mod` into the weights' names.
        network.compile()


def _trainer(
    config: TrainConfig,
    hardware: Hardware,
    folder: Path,
    loggers: Loggers,
    callbacks: list[Callback],
    place: Place,
) -> pl.Trainer:
    # Float32 means float32: on a GPU, convolutions would round their inputs to 10 bits.
    torch.backends.cudnn.allow_tf32 = False
    # On CPUs the operations used here are deterministic as they are. Filling fresh memory, which
    # torch adds to the deterministic mode, costs time and changes no result.
    torch.utils.deterministic.fill_uninitialized_memory = False  # type: ignore[attr-defined]
    together = place.ranks > 1
    devices = place.ranks // config.trainer.num_nodes
    with _quiet():
        trainer = pl.Trainer(
            accelerator=hardware.accelerator,
            devices=devices,
            num_nodes=config.trainer.num_nodes,
            strategy=ddp_strategy() if together else "auto",
            sync_batchnorm=together and hardware.accelerator == "gpu",
            # Not what a batch system's variables suggest: Lightning would then requeue by itself.
            plugins=[
                Seats(place, devices) if together else LightningEnvironment(),
                PlainCheckpointIO(),
            ],
            default_root_dir=folder,
            precision=LIGHTNING_PRECISION[hardware.precision],  # type: ignore[arg-type]
            max_epochs=config.trainer.max_epochs,
            logger=loggers or False,
            callbacks=[*callbacks, OwnSignals(), LastCheckpoint(folder / LAST_CHECKPOINT)],
            deterministic=hardware.accelerator == "gpu",
            num_sanity_val_steps=0,
            enable_progress_bar=False,
            enable_model_summary=False,
            use_distributed_sampler=False,
        )
    if together:
        leave_signals_alone(trainer)
    return trainer


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
        # Metrics of several ranks meet on the current GPU, which is theirs.
        warnings.filterwarnings("ignore", message=r"barrier\(\): using the device")
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
