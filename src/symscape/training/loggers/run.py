"""TensorBoard and Weights & Biases, which see the same numbers as metrics.csv."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import asdict
from pathlib import Path

from lightning.pytorch.loggers import Logger

from symscape.config.train import TrainConfig
from symscape.errors import SymscapeError
from symscape.runs.identity import kind
from symscape.runs.manifest import Manifest
from symscape.training.loggers.ending import end_record

Loggers = list[Logger]


def make_loggers(config: TrainConfig, manifest: Manifest, folder: Path) -> Loggers:
    """Return the loggers beside metrics.csv; `logger=csv` has none.

    Raises:
        SymscapeError: TensorBoard is not installed, or W&B cannot be reached.
    """
    if config.logger.name == "tensorboard":
        return [_tensorboard(folder)]
    if config.logger.name == "wandb":
        return [_wandb(config, manifest, folder)]
    return []


def _tensorboard(folder: Path) -> Logger:
    from lightning.pytorch.loggers import TensorBoardLogger

    try:
        return TensorBoardLogger(folder, name="tensorboard", version="")
    except ModuleNotFoundError as error:
        raise SymscapeError(
            "logger=tensorboard: not installed; pip install 'symscape[tensorboard]'"
        ) from error


def _wandb(config: TrainConfig, manifest: Manifest, folder: Path) -> Logger:
    import wandb
    from lightning.pytorch.loggers import WandbLogger

    symmetry, model, data = kind(config), config.model.label, config.data.name
    try:
        logger = WandbLogger(
            name=f"seed={config.seed}",
            group=manifest.name,
            job_type="train",
            project=config.logger.project,
            entity=config.logger.entity,
            tags=[config.study, data, model, symmetry, *config.logger.tags],
            config=asdict(config),
            id=manifest.wandb_id,
            resume="allow",
            save_dir=str(folder),
            mode=config.logger.mode,
            settings=wandb.Settings(console="off", silent=True, init_timeout=60),
        )
        logger.experiment.define_metric("epoch")
    except (wandb.errors.Error, OSError) as error:
        reason = str(error).splitlines()[0] if str(error) else type(error).__name__
        raise SymscapeError(f"logger=wandb: {reason} Or take logger.mode=offline.") from error
    return logger


def finish_loggers(
    loggers: Loggers,
    *,
    figures: Mapping[str, float] | None = None,
    pictures: Sequence[Path] = (),
    weights: Path | None = None,
    failed: bool = False,
) -> None:
    """Hand over the final figures, pictures and weights, and close the loggers.

    Args:
        loggers: what `make_loggers` returned.
        figures: final metrics.
        pictures: files to show as media.
        weights: a file to keep as an artifact.
        failed: mark a W&B run as failed.
    """
    for logger in loggers:
        experiment = getattr(logger, "experiment", None)
        if type(logger).__name__ == "WandbLogger" and experiment is not None:
            _finish_wandb(experiment, figures or {}, pictures, weights, failed)
        else:
            if figures:
                logger.log_metrics(dict(figures))
            logger.finalize("failed" if failed else "success")


def _finish_wandb(
    run: object,
    figures: Mapping[str, float],
    pictures: Sequence[Path],
    weights: Path | None,
    failed: bool,
) -> None:
    import wandb

    assert isinstance(run, wandb.Run)
    run.summary.update(dict(figures))
    if pictures:
        run.log({f"pictures/{path.stem}": wandb.Image(str(path)) for path in pictures})
    if weights is not None:
        artifact = wandb.Artifact(f"{run.id}-weights", type="weights")
        artifact.add_file(str(weights))
        run.log_artifact(artifact)
    end_record(run, 1 if failed else 0)
