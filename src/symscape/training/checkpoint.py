"""The checkpoint that a run resumes from: one file, replaced when the new one is whole."""

from __future__ import annotations

import zipfile
from pathlib import Path

import lightning.pytorch as pl
from lightning.pytorch.callbacks import Checkpoint

from symscape.errors import SymscapeError
from symscape.runs.files import replacing


class LastCheckpoint(Checkpoint):
    """Writes `last.ckpt` after every epoch.

    Lightning calls checkpoint callbacks after all others, so the epoch's row is on disk by then.
    """

    def __init__(self, path: Path) -> None:
        self.path = path

    def on_train_epoch_end(self, trainer: pl.Trainer, pl_module: pl.LightningModule) -> None:
        """Write the checkpoint of a finished epoch."""
        with replacing(self.path) as part:
            trainer.save_checkpoint(part)


def whole_checkpoint(path: Path) -> Path | None:
    """Return `path` if there is a checkpoint to resume from, None if there is none.

    Raises:
        SymscapeError: the file is damaged: it is no archive, or a checksum of it is wrong.
    """
    if not path.exists():
        return None
    try:
        with zipfile.ZipFile(path) as archive:
            bad = archive.testzip()
    except (zipfile.BadZipFile, OSError) as error:
        raise SymscapeError(f"{path}: damaged checkpoint ({error}); {_WAY_OUT}") from error
    if bad is not None:
        raise SymscapeError(f"{path}: damaged checkpoint (checksum of {bad}); {_WAY_OUT}")
    return path


_WAY_OUT = "force=true trains anew"
