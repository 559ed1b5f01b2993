"""The training job: from a config to a run on disk. Finished runs return before torch is loaded."""

from __future__ import annotations

import json
import logging
import secrets
from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager, contextmanager
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path
from typing import TYPE_CHECKING, Any

from symscape.config.train import TrainConfig
from symscape.data.content import content_key
from symscape.errors import SymscapeError
from symscape.jobs.console import console, logged_to, show_config, start_logging
from symscape.runs.configs import write_config
from symscape.runs.files import write_text
from symscape.runs.find import read_figures, weights_path
from symscape.runs.identity import config_hash, run_folder, run_name
from symscape.runs.lock import locked
from symscape.runs.manifest import Manifest, now, read_manifest, write_manifest
from symscape.stopping import Interrupted, interruptible
from symscape.training.ranks.place import Place

if TYPE_CHECKING:
    from symscape.data.images import ImageData
    from symscape.training.hardware import Hardware
    from symscape.training.loggers.run import Loggers

    Together = Callable[[Path, Hardware, ImageData], AbstractContextManager[Place]]
    """Brings the other ranks in for the training itself, and yields the place of this one."""

log = logging.getLogger("symscape")


@dataclass(frozen=True)
class TrainResult:
    """Where a run is, its final figures, and whether this call trained it."""

    folder: Path
    figures: dict[str, float]
    trained: bool


def train(config: TrainConfig) -> TrainResult:
    """Train a run, resume it, or return at once if it is completed.

    Raises:
        SymscapeError: what a user can mend, in one line.
    """
    start_logging()
    content = content_key(config.data)
    folder = run_folder(config, content)
    if not config.force and (figures := completed_figures(folder)) is not None:
        log.info(f"{folder} is completed: nothing to do (force=true trains it anew)")
        return TrainResult(folder, figures, trained=False)
    if config.trainer.name == "ddp":
        from symscape.jobs.train.launch import train_on_ranks

        return train_on_ranks(config, folder)
    return train_here(config, content, folder)


@contextmanager
def _alone(folder: Path, hardware: Hardware, data: ImageData) -> Iterator[Place]:
    yield Place()


def train_here(
    config: TrainConfig, content: str, folder: Path, together: Together = _alone
) -> TrainResult:
    """Do all of a run that writes: in this process, with others or alone.

    Args:
        config: of the run.
        content: its data set's content key.
        folder: its place.
        together: called around the training itself.

    Raises:
        SymscapeError: what a user can mend, in one line.
    """
    with locked(folder):
        if not config.force and (figures := completed_figures(folder)) is not None:
            log.info(f"{folder} was completed by another process meanwhile")
            return TrainResult(folder, figures, trained=False)
        return _train_locked(config, content, folder, together)


def completed_figures(folder: Path) -> dict[str, float] | None:
    """Return the final figures of a run, or None if it is not completed.

    Raises:
        SymscapeError: a file of it is damaged.
    """
    manifest = read_manifest(folder)
    if manifest is None or manifest.status != "completed":
        return None
    return read_figures(folder)


def _set_aside(folder: Path) -> None:
    if folder.exists():
        stamp = datetime.now().strftime("%Y%m%d-%H%M%S-%f")
        folder.rename(folder.with_name(f"{folder.name}.aside-{stamp}"))


def _train_locked(
    config: TrainConfig, content: str, folder: Path, together: Together
) -> TrainResult:
    """Check everything that a user can get wrong, and only then leave traces on disk."""
    from symscape.data.load import load_data
    from symscape.training.hardware import check_ranks, resolve_hardware

    before = None if config.force else read_manifest(folder)
    hardware = resolve_hardware(config.trainer, before.resolved if before else {})
    check_ranks(config, hardware)
    data = load_data(config.data)
    _check_same_data(before, data, folder)
    if config.force:
        _set_aside(folder)
    manifest = before or _new_manifest(config, content)
    manifest.begin(hardware.as_dict())
    manifest.data = _describe(data)
    write_config(folder, config)
    write_manifest(folder, manifest)  # What makes the folder a run comes last.
    with logged_to(folder / "train.log"):
        show_config(config, f"{manifest.name} seed={config.seed}")
        log.info(f"{'resuming' if before else 'training'} in {folder}")
        log.info(f"{len(data.train):,} training images on {hardware.name}, {hardware.precision}")
        with _failures_recorded(folder, manifest):
            figures = _run(config, data, hardware, folder, manifest, together)
        _report(folder, figures)
    return TrainResult(folder, figures, trained=True)


def _check_same_data(before: Manifest | None, data: ImageData, folder: Path) -> None:
    """Refuse to go on with other images than the run began with."""
    if before and before.data and before.data["content"] != data.content:
        raise SymscapeError(f"{folder}: it began with other images; force=true trains anew")


def _new_manifest(config: TrainConfig, content: str) -> Manifest:
    name, digest = run_name(config, content), config_hash(config, content)
    return Manifest(name, config.seed, digest, wandb_id=secrets.token_hex(4))


@contextmanager
def _failures_recorded(folder: Path, manifest: Manifest) -> Iterator[None]:
    """Write into the manifest why a run ended early; an interrupted one stays resumable."""
    try:
        with interruptible():
            yield
    except Interrupted as signal:
        log.info(f"{signal}: stopped; the same command resumes {folder}")
        raise KeyboardInterrupt from None
    except Exception as error:
        expected = isinstance(error, SymscapeError)
        manifest.message = str(error) if expected else repr(error)
        manifest.status, manifest.finished = "failed", now()
        log.error(f"failed: {manifest.message}")
        if not expected:
            log.error("traceback:", exc_info=True, extra={"file_only": True})
        write_manifest(folder, manifest)
        raise


def _run(
    config: TrainConfig,
    data: ImageData,
    hardware: Hardware,
    folder: Path,
    manifest: Manifest,
    together: Together,
) -> dict[str, float]:
    from symscape.training.loggers.run import finish_loggers, make_loggers

    loggers = make_loggers(config, manifest, folder)
    try:
        figures, pictures = _train_and_test(
            config, data, hardware, folder, manifest, loggers, together
        )
    except BaseException:
        finish_loggers(loggers, failed=True)
        raise
    weights = weights_path(folder) if config.logger.log_weights else None
    finish_loggers(loggers, figures=figures, pictures=pictures, weights=weights)
    manifest.status, manifest.finished = "completed", now()
    write_manifest(folder, manifest)
    return figures


def _describe(data: ImageData) -> dict[str, Any]:
    channels, height, width = data.train.images.shape[1:]
    return {
        "content": data.content,
        "classes": list(data.classes),
        "channels": channels,
        "height": height,
        "width": width,
        "mean": list(data.mean),
        "std": list(data.std),
        "images": {"train": len(data.train), "val": len(data.val), "test": len(data.test)},
    }


def _train_and_test(
    config: TrainConfig,
    data: ImageData,
    hardware: Hardware,
    folder: Path,
    manifest: Manifest,
    loggers: Loggers,
    together: Together,
) -> tuple[dict[str, float], list[Path]]:
    """Weights, then metrics.json, then pictures: what comes later stands on what came before."""
    from symscape.jobs.train.figures import final_figures
    from symscape.plots.run import draw_run
    from symscape.training.fit import fit

    metadata = {"name": manifest.name, "seed": config.seed, "hash": manifest.hash}
    with together(folder, hardware, data) as place:
        fitted = fit(
            config,
            data,
            hardware,
            folder,
            metadata=metadata,
            loggers=loggers,
            console=console,
            place=place,
        )
    manifest.weights = fitted.hashes
    write_manifest(folder, manifest)
    figures = final_figures(fitted.network, data, hardware)
    write_text(folder / "metrics.json", json.dumps(figures, indent=2, allow_nan=False) + "\n")
    return figures, draw_run(folder)


def _report(folder: Path, figures: dict[str, float]) -> None:
    change = figures.get("change/rot90")
    turned = "" if change is None else f", output changes by {change:.1%} under a quarter turn"
    log.info(f"test accuracy {figures['test/accuracy']:.2%}{turned}")
    log.info(f"pictures in {folder / 'pictures'}")
