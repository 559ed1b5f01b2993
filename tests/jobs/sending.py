"""Signals sent at moments that are chosen, not met by luck."""

import os
import signal
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest
import torch

from symscape.runs import files


class Sending:
    """A file whose k-th write sends a signal to its own process."""

    def __init__(self, file, k: int, number: int) -> None:
        self.file, self.k, self.number, self.writes = file, k, number, 0

    def write(self, data) -> int:
        self.writes += 1
        if self.writes == self.k:
            os.kill(os.getpid(), self.number)
        return self.file.write(data)

    def __getattr__(self, name):
        return getattr(self.file, name)


def at_write_of_checkpoint(patch: pytest.MonkeyPatch, k: int, number: int) -> list[Sending]:
    """Send a signal at the k-th write of the first file that `torch.save` writes to."""
    save, made = torch.save, []

    def saving(checkpoint, file):
        if made:
            return save(checkpoint, file)
        made.append(Sending(file, k, number))
        return save(checkpoint, made[0])

    patch.setattr(torch, "save", saving)
    return made


def at_file(patch: pytest.MonkeyPatch, k: int, number: int = signal.SIGTERM) -> list[Path]:
    """Send a signal while the k-th file that is replaced is half written; list them all."""
    replacing, seen = files.replacing, []

    @contextmanager
    def sending(path: Path) -> Iterator[Path]:
        with replacing(path) as part:
            yield part
            seen.append(path)
            if len(seen) == k:
                os.kill(os.getpid(), number)

    for module in ("files", "weights"):
        patch.setattr(f"symscape.runs.{module}.replacing", sending)
    patch.setattr("symscape.training.callbacks.checkpoint.replacing", sending)
    return seen


def interrupted(work: Callable[[], object]) -> bool:
    """Whether a signal ended the work."""
    try:
        work()
    except KeyboardInterrupt:
        return True
    return False
