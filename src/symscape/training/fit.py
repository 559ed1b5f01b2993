"""One training run from its first step to its final weights."""

from __future__ import annotations

import logging
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import lightning.pytorch as pl
from lightning.pytorch.callbacks import Callback
from rich.console import Console
from torch import nn

from symscape.data.batches import Batches
from symscape.models.build import build_network, shapes_of
from symscape.training.callbacks.checkpoint import LAST_CHECKPOINT, whole_checkpoint
from symscape.training.callbacks.progress import ProgressBar, epoch_line
from symscape.training.callbacks.recorder import Follower, Recorder, trajectory_steps
from symscape.training.loggers.run import Loggers
from symscape.training.module import Classifier
from symscape.training.plan import plan_network
from symscape.training.setup import Setup
from symscape.training.trainer import make_trainer, one_line_errors, quiet

log = logging.getLogger("symscape")
EVALUATION_BATCH = 500


@dataclass(frozen=True)
class Fitted:
    """A trained network as it was trained, and the content hashes of the weights kept."""

    network: nn.Module
    hashes: dict[str, str]


@dataclass(frozen=True)
class _Ready:
    """A network and its batches, about to be trained."""

    module: Classifier
    train: Batches
    checkpoint: Path | None
    """Where to go on; None for a new run."""


def fit(setup: Setup, loggers: Loggers, console: Console) -> Fitted:
    """Train, or resume from the last whole checkpoint of the run's folder.

    Where this is the first of several ranks the others must call `follow`.

    Raises:
        SymscapeError: the loss is not finite, or the checkpoint is damaged or of another network.
    """
    ready = _ready(setup)
    module, config = ready.module, setup.config
    bar = ProgressBar(console, config.data.batch_size, setup.identity.name)
    steps = trajectory_steps(config.trajectory, module.total_steps)
    images = min(len(setup.data.train), len(ready.train) * config.data.batch_size)

    def announce(row: dict[str, Any]) -> None:
        bar.show_accuracy(row)
        log.info(epoch_line(row, config.trainer.max_epochs, bar.remaining(trainer)))

    recorder = Recorder(setup.identity, steps, images, announce)
    trainer = make_trainer(setup, loggers, [recorder, bar])
    try:
        _fit(setup, ready, trainer)
    finally:
        bar.close()
    recorder.keep_final(module, trainer.global_step)
    return Fitted(module.network, recorder.hashes)


def follow(setup: Setup) -> None:
    """Do the part of a rank other than the first, which writes nothing.

    Raises:
        SymscapeError: as for `fit`.
    """
    callbacks: list[Callback] = [Follower()]
    _fit(setup, _ready(setup), make_trainer(setup, [], callbacks))


def _ready(setup: Setup) -> _Ready:
    config = setup.config
    checkpoint = whole_checkpoint(setup.identity.folder / LAST_CHECKPOINT)
    train = setup.batches(
        setup.data.train,
        batch_size=config.data.batch_size,
        policy=config.data.augment,
        seed=config.seed,
        shuffle=True,
        limit=config.trainer.limit_train_batches,
    )
    module = _module(setup, train)
    _plan(setup, module.network, resumed=checkpoint is not None)
    return _Ready(module, train, checkpoint)


def _fit(setup: Setup, ready: _Ready, trainer: pl.Trainer) -> None:
    val = setup.batches(setup.data.val, batch_size=EVALUATION_BATCH, shuffle=False)
    with quiet(), one_line_errors(ready.checkpoint):
        trainer.fit(
            ready.module,
            ready.train,
            val if len(setup.data.val) else None,
            ckpt_path=ready.checkpoint,
            weights_only=True,
        )


def _module(setup: Setup, train: Batches) -> Classifier:
    config = setup.config
    network = build_network(
        config.model,
        config.symmetry,
        **shapes_of(setup.data.describe()),
        seed=config.seed,
        group=config.group,
        kernel=config.kernel,
    )
    # Lightning would convert the network after it has loaded a checkpoint, rounding its weights.
    network = network.to(setup.hardware.dtype)
    return Classifier(
        network,
        total_steps=len(train) * config.trainer.max_epochs,
        optimizer=config.optimizer,
        scheduler=config.scheduler,
        penalty=config.symmetry.strength if config.symmetry.parametrization == "penalty" else 0.0,
        seed=config.seed,
        weight=train.weight,
    )


def _plan(setup: Setup, network: nn.Module, *, resumed: bool) -> None:
    """Set how the layers compute, alike on all ranks."""
    config, place = setup.config, setup.place
    size = max(1, config.data.batch_size // place.ranks)
    plan_network(
        network,
        (size, *setup.data.train.images.shape[1:]),
        # A compiled network is the compiler's.
        replace(config.symmetry, compute="direct") if config.compile else config.symmetry,
        setup.hardware,
        setup.identity.folder,
        group=config.group.compute,
        resumed=resumed,
        keep=place.rank == 0,
    )
    if config.compile:
        # In place: a wrapper would put `_orig_mod` into the weights' names.
        network.compile()
