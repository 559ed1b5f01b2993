"""The checkpoint that a run resumes from: one file, replaced when the new one is whole."""

from __future__ import annotations

import zipfile
from pathlib import Path
from typing import Any

import lightning.pytorch as pl
import torch
from lightning.pytorch.callbacks import Checkpoint
from lightning.pytorch.plugins.io import TorchCheckpointIO

from symscape.errors import SymscapeError
from symscape.runs.files import replacing

LAST_CHECKPOINT = Path("checkpoints", "last.ckpt")
NEEDED = ("state_dict", "callbacks", "optimizer_states", "loops", "pytorch-lightning_version")
WAY_OUT = "force=true trains anew"


class PlainCheckpointIO(TorchCheckpointIO):
    """Writes where it is told to: Lightning's own way goes through the temporary folder first."""

    def save_checkpoint(
        self, checkpoint: dict[str, Any], path: str | Path, storage_options: Any = None
    ) -> None:
        """Write a checkpoint with Python's own file, whose errors say that a disk is full."""
        with Path(path).open("wb") as file:
            torch.save(checkpoint, file)


class LastCheckpoint(Checkpoint):
    """Writes `last.ckpt` after every epoch.

    Lightning calls checkpoint callbacks after all others, so the epoch's row is on disk by then.
    """

    def __init__(self, path: Path) -> None:
        self.path = path

    def on_train_epoch_end(self, trainer: pl.Trainer, pl_module: pl.LightningModule) -> None:
        """Write the checkpoint of a finished epoch; all ranks take part, the first one writes."""
        if not trainer.is_global_zero:
            trainer.save_checkpoint(self.path)
            return
        with replacing(self.path) as part:
            trainer.save_checkpoint(part)


def whole_checkpoint(path: Path) -> Path | None:
    """Return `path` if there is a checkpoint to resume from, None if there is none.

    Nothing in it is executed.

    Raises:
        SymscapeError: the file is damaged (a checksum of it is wrong) or no checkpoint of ours.
    """
    if not path.exists():
        return None
    try:
        with zipfile.ZipFile(path) as archive:
            bad = archive.testzip()
        entries = torch.load(path, map_location="cpu", weights_only=True, mmap=True)
    except Exception as error:  # zipfile and torch raise many kinds for a few wrong bytes
        reason = (str(error).strip() or type(error).__name__).splitlines()[0]
        raise SymscapeError(f"{path}: damaged checkpoint ({reason}); {WAY_OUT}") from error
    if bad is not None:
        raise SymscapeError(f"{path}: damaged checkpoint (checksum of {bad}); {WAY_OUT}")
    if not isinstance(entries, dict) or any(key not in entries for key in NEEDED):
        raise SymscapeError(f"{path}: not a checkpoint of a training run; {WAY_OUT}")
    return path
