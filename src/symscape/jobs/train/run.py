"""One run, as the process that writes it sees it: checks first, `completed` last."""

from __future__ import annotations

import json
import secrets
from collections.abc import Callable, Iterator, Sequence
from contextlib import AbstractContextManager, contextmanager
from dataclasses import dataclass, replace
from datetime import datetime
from pathlib import Path
from typing import TYPE_CHECKING

from symscape.config.network.model import FOREIGN, ON_GROUPS
from symscape.config.train import TrainConfig
from symscape.errors import SymscapeError
from symscape.jobs.console import console, log, logged_to, percent, show_config
from symscape.runs.configs import write_config
from symscape.runs.files import write_text
from symscape.runs.find import completed_figures, weights_path
from symscape.runs.identity import Identity
from symscape.runs.lock import locked
from symscape.runs.manifest import Manifest, now, read_manifest, write_manifest
from symscape.stopping import Interrupted, safe_point
from symscape.training.ranks.place import Place

if TYPE_CHECKING:
    from symscape.training.loggers.run import Loggers
    from symscape.training.setup import Setup

    Together = Callable[[Setup], AbstractContextManager[Place]]
    """Brings the other ranks in for the training itself, and yields the place of this one."""


@dataclass(frozen=True)
class TrainResult:
    """Where a run is, its final figures, and whether this call trained it."""

    folder: Path
    figures: dict[str, float]
    trained: bool


def finished(config: TrainConfig, identity: Identity) -> TrainResult | None:
    """Return the result of a run that is completed, unless `force` wants it anew."""
    if config.force:
        return None
    figures = completed_figures(identity.folder, config.data.image_size)
    return None if figures is None else TrainResult(identity.folder, figures, trained=False)


@contextmanager
def _alone(setup: Setup) -> Iterator[Place]:
    yield Place()


def train_run(
    config: TrainConfig,
    identity: Identity,
    together: Together = _alone,
    notes: Sequence[str] = (),
) -> TrainResult:
    """Do all of a run that writes: in this process, with others or alone.

    Args:
        config: of the run.
        identity: which run that is.
        together: called around the training itself.
        notes: lines to say after the config.

    Raises:
        SymscapeError: what a user can mend, in one line.
    """
    with locked(identity.folder):
        if (result := finished(config, identity)) is not None:
            log.info(f"{result.folder} was completed by another process meanwhile")
            return result
        before = None if config.force else read_manifest(identity.folder)
        setup = _checked(config, identity, before)
        manifest = _begun(setup, before)
        with logged_to(identity.folder / "train.log"), _ends_noted(identity.folder, manifest):
            _introduce(setup, notes, resumed=before is not None)
            figures = _logged(setup, manifest, together)
            _report(identity.folder, figures)
    return TrainResult(identity.folder, figures, trained=True)


def _checked(config: TrainConfig, identity: Identity, before: Manifest | None) -> Setup:
    """Return what is trained with; all that a user can get wrong shows before a trace on disk."""
    from symscape.data.load import load_data
    from symscape.models.build import check_batches, check_images, shapes_of
    from symscape.models.foreign import look_at
    from symscape.training.hardware import check_ranks, resolve_hardware
    from symscape.training.setup import Setup

    hardware = resolve_hardware(config.trainer, before.resolved if before else {})
    foreign = config.model.name == FOREIGN
    if not foreign:
        # Networks on groups add the ranks' statistics up by themselves.
        kept = config.model.norm == "batch" and config.model.name not in ON_GROUPS
        check_ranks(config, hardware, batchnorm=kept)
    data = load_data(config.data, identity.content)
    check_images(config.model, (data.train.images.shape[2], data.train.images.shape[3]))
    check_batches(config, len(data.train))
    if before and before.data and before.data["content"] != data.content:
        raise SymscapeError(
            f"{identity.folder}: it began with other images; force=true trains anew"
        )
    if not foreign:
        return Setup(config, identity, data, hardware)
    look = look_at(config.model, config.symmetry, **shapes_of(data.describe()))
    check_ranks(config, hardware, batchnorm=look.batchnorm)
    return Setup(config, identity, data, hardware, look=look)


def _begun(setup: Setup, before: Manifest | None) -> Manifest:
    """Make the folder a run, or go on with it; what was there before `force` is set aside."""
    identity, folder = setup.identity, setup.identity.folder
    if setup.config.force and folder.exists():
        stamp = datetime.now().strftime("%Y%m%d-%H%M%S-%f")
        folder.rename(folder.with_name(f"{folder.name}.aside-{stamp}"))
    manifest = before or Manifest(**identity.metadata, wandb_id=secrets.token_hex(4))
    manifest.begin(setup.hardware.as_dict())
    manifest.data = setup.data.describe()
    manifest.library = setup.look.library if setup.look else ""
    write_config(folder, setup.config)
    write_manifest(folder, manifest)  # What makes the folder a run comes last.
    return manifest


def _introduce(setup: Setup, notes: Sequence[str], *, resumed: bool) -> None:
    identity, hardware = setup.identity, setup.hardware
    show_config(setup.config, f"{identity.name} seed={identity.seed}")
    log.info(f"{'resuming' if resumed else 'training'} in {identity.folder}")
    images = f"{len(setup.data.train):,} training images"
    log.info(f"{images} on {hardware.name}, {hardware.precision}")
    for line in (*notes, *(setup.look.lines if setup.look else ())):
        log.info(line)
    if setup.config.model.name in ON_GROUPS:
        log.info(setup.config.group.exact())


@contextmanager
def _ends_noted(folder: Path, manifest: Manifest) -> Iterator[None]:
    """Write into the manifest why a run ended early; an interrupted one stays resumable."""
    try:
        yield
    except Interrupted as signal:
        log.info(f"{signal}: stopped; the same command resumes {folder}")
        raise
    except Exception as error:
        expected = isinstance(error, SymscapeError)
        manifest.message = str(error) if expected else repr(error)
        manifest.status, manifest.finished = "failed", now()
        log.error(f"failed: {manifest.message}")
        if not expected:
            log.error("traceback:", exc_info=True, extra={"file_only": True})
        write_manifest(folder, manifest)
        raise


def _logged(setup: Setup, manifest: Manifest, together: Together) -> dict[str, float]:
    """Do the run with its loggers open; `completed` is written when they have all there is."""
    from symscape.training.loggers.run import finish_loggers, make_loggers

    config, folder = setup.config, setup.identity.folder
    loggers = make_loggers(config, manifest, folder)
    try:
        figures, pictures = _train_and_test(setup, manifest, loggers, together)
        safe_point()
    except BaseException:
        finish_loggers(loggers, failed=True)
        raise
    weights = weights_path(folder) if config.logger.log_weights else None
    finish_loggers(loggers, figures=figures, pictures=pictures, weights=weights)
    manifest.status, manifest.finished = "completed", now()
    write_manifest(folder, manifest)
    return figures


def _train_and_test(
    setup: Setup, manifest: Manifest, loggers: Loggers, together: Together
) -> tuple[dict[str, float], list[Path]]:
    """Weights, then metrics.json, then pictures: what comes later stands on what came before."""
    from symscape.jobs.train.figures import final_figures
    from symscape.jobs.train.turned import measure_turned
    from symscape.plots.run import draw_run
    from symscape.training.fit import fit

    folder = setup.identity.folder
    with together(setup) as place:
        fitted = fit(replace(setup, place=place), loggers, console)
    manifest.weights = fitted.hashes
    write_manifest(folder, manifest)
    log.info("trained; now tests, measures and pictures")
    figures = final_figures(fitted.network, setup.data, setup.hardware)
    figures |= measure_turned(fitted.network, setup)
    write_text(folder / "metrics.json", json.dumps(figures, indent=2, allow_nan=False) + "\n")
    safe_point()
    return figures, draw_run(folder)


def _report(folder: Path, figures: dict[str, float]) -> None:
    change = figures.get("change/rot90")
    turned = "" if change is None else f", output changes by {percent(change)} under a quarter turn"
    log.info(f"test accuracy {figures['test/accuracy']:.2%}{turned}")
    log.info(f"pictures in {folder / 'pictures'}")
