"""The training of a path on disk, beside the result that it is for: a killed one goes on."""

from __future__ import annotations

import json
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from torch import Tensor

from symscape.errors import SymscapeError
from symscape.jobs.console import log
from symscape.landscape.paths.training import Progress
from symscape.runs.weights import read_weights, save_weights

SUFFIX = ".middle.safetensors"


def checkpoint_of(result: Path) -> Path:
    """Return the place of the checkpoint of a result."""
    return result.with_name(f".{result.name}{SUFFIX}")


def keep(path: Path, progress: Progress, about: Mapping[str, Any]) -> None:
    """Write where a training stands after an epoch, all or nothing.

    Args:
        path: of the file.
        progress: what is kept.
        about: all that the training depends on.
    """
    tensors = _named("middle", progress.middle) | _named("momentum", progress.momentum)
    save_weights(path, tensors, {"losses": progress.losses, "about": about})


def kept(path: Path, about: Mapping[str, Any]) -> Progress | None:
    """Return where a training of the same stands; None where there is none, or a damaged one."""
    if not path.exists():
        return None
    try:
        tensors, metadata = read_weights(path)
    except SymscapeError as error:
        log.info(f"{error}; the path is trained from the start")
        return None
    if metadata["about"] != json.loads(json.dumps(about)):
        why = "of other weights, another training or another machine"
        log.info(f"{path}: {why}; the path is trained from the start")
        return None
    return Progress(_part("middle", tensors), _part("momentum", tensors), metadata["losses"])


def remove_finished(folder: Path) -> None:
    """Remove the checkpoints of results that are there."""
    for path in folder.glob(f".*{SUFFIX}"):
        if path.with_name(path.name.removeprefix(".").removesuffix(SUFFIX)).exists():
            path.unlink(missing_ok=True)


def _named(part: str, tensors: Mapping[str, Tensor]) -> dict[str, Tensor]:
    return {f"{part}/{name}": tensor for name, tensor in tensors.items()}


def _part(part: str, tensors: Mapping[str, Tensor]) -> dict[str, Tensor]:
    own = (name for name in tensors if name.startswith(f"{part}/"))
    return {name.removeprefix(f"{part}/"): tensors[name] for name in own}
