"""Lightning's Trainer as a run wants it: silent, deterministic, deaf to signals."""

from __future__ import annotations

import logging
import warnings
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Literal

import lightning.pytorch as pl
import torch
from lightning.fabric.plugins.environments.lightning import LightningEnvironment
from lightning.pytorch.callbacks import Callback

from symscape.config.network.model import FOREIGN
from symscape.errors import SymscapeError
from symscape.training.callbacks.checkpoint import (
    LAST_CHECKPOINT,
    LastCheckpoint,
    PlainCheckpointIO,
)
from symscape.training.hardware import LIGHTNING_PRECISION
from symscape.training.loggers.run import Loggers
from symscape.training.ranks.strategy import Seats, ddp_strategy
from symscape.training.setup import Setup


def make_trainer(setup: Setup, loggers: Loggers, callbacks: list[Callback]) -> pl.Trainer:
    """Return the trainer of a run; of several ranks, each has one."""
    # Float32 means float32: on a GPU, convolutions would round their inputs to 10 bits.
    torch.backends.cudnn.allow_tf32 = False
    # On CPUs the operations used here are deterministic as they are. Filling fresh memory, which
    # torch adds to the deterministic mode, costs time and changes no result.
    torch.utils.deterministic.fill_uninitialized_memory = False  # type: ignore[attr-defined]
    config, place, hardware = setup.config.trainer, setup.place, setup.hardware
    together, devices = place.ranks > 1, place.ranks // config.num_nodes
    folder = setup.identity.folder
    with quiet():
        trainer = pl.Trainer(
            accelerator=hardware.accelerator,
            devices=devices,
            num_nodes=config.num_nodes,
            strategy=ddp_strategy() if together else "auto",
            sync_batchnorm=together and hardware.accelerator == "gpu",
            # Not what a batch system's variables suggest: Lightning would then requeue by itself.
            plugins=[
                Seats(place, devices) if together else LightningEnvironment(),
                PlainCheckpointIO(),
            ],
            default_root_dir=folder,
            precision=LIGHTNING_PRECISION[hardware.precision],  # type: ignore[arg-type]
            max_epochs=config.max_epochs,
            logger=loggers or False,
            callbacks=[*callbacks, LastCheckpoint(folder / LAST_CHECKPOINT)],
            deterministic=_deterministic(setup),
            num_sanity_val_steps=0,
            enable_progress_bar=False,
            enable_model_summary=False,
            use_distributed_sampler=False,
        )
    _leave_signals_alone(trainer)
    return trainer


def _deterministic(setup: Setup) -> Literal["warn"] | bool:
    """Not needed on CPUs; networks that are not ours may have operations with no such way."""
    if setup.hardware.accelerator != "gpu":
        return False
    return "warn" if setup.config.model.name == FOREIGN else True


def _leave_signals_alone(trainer: pl.Trainer) -> None:
    """Keep Lightning from handling signals: they take effect at safe points of our own.

    Its handler of SIGTERM raises wherever it finds the process and talks to the other ranks; and it
    asks all ranks at every step whether one was told to stop, which makes a GPU wait.
    """
    trainer._signal_connector.register_signal_handlers = (  # type: ignore[method-assign]
        lambda: None
    )
    loop = trainer.fit_loop.epoch_loop
    loop._broadcast_sigterm_tensor = lambda: None  # type: ignore[method-assign]


@contextmanager
def quiet() -> Iterator[None]:
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
def one_line_errors(checkpoint: Path | None) -> Iterator[None]:
    """Turn what a user can mend of Lightning's errors into one line."""
    try:
        yield
    except torch.OutOfMemoryError as error:
        raise SymscapeError("the GPU is out of memory; try a smaller data.batch_size") from error
    except Exception as error:
        if checkpoint is None or "Error(s) in loading state_dict" not in str(error):
            raise
        reason = str(error).strip().splitlines()[0]
        raise SymscapeError(f"{checkpoint}: not a checkpoint of this run ({reason})") from error
