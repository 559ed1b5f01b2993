"""Finding the runs of a study, and loading what they trained."""

from __future__ import annotations

import json
import re
from dataclasses import dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING

from symscape.config.train import TrainConfig
from symscape.errors import SymscapeError, did_you_mean
from symscape.runs.configs import read_config
from symscape.runs.identity import kind
from symscape.runs.lock import is_locked
from symscape.runs.manifest import Manifest, read_manifest
from symscape.stopping import safe_point

if TYPE_CHECKING:
    from torch import nn


@dataclass(frozen=True, eq=False)
class Run:
    """One trained, or half-trained, network on disk; compared and hashed by identity."""

    folder: Path
    manifest: Manifest
    config: TrainConfig

    @property
    def title(self) -> str:
        """The run, briefly."""
        return f"{kind(self.config)} seed={self.config.seed}"

    @property
    def state(self) -> str:
        """completed, failed, running (a process is at work) or interrupted."""
        if self.manifest.status == "running" and not is_locked(self.folder):
            return "interrupted"
        return self.manifest.status


def open_run(folder: Path) -> Run:
    """Open a run's folder.

    Raises:
        SymscapeError: there is no run, or its manifest or config is damaged.
    """
    manifest = read_manifest(folder)
    if manifest is None:
        raise SymscapeError(f"{folder}: no run here (it has no manifest.json)")
    return Run(folder, manifest, read_config(folder))


def find_runs(root: Path, study: str) -> list[Run]:
    """Return all runs of a study, ordered by name and seed; those set aside are left out.

    Raises:
        SymscapeError: there is no such study; the nearest name is proposed.
    """
    folder = root / study
    if not folder.is_dir():
        folders = root.glob("[!.]*") if root.is_dir() else ()
        # Audits of networks that are no runs have a folder there too.
        studies = [p.name for p in folders if any(p.glob("*/seed=*"))]
        known = f"allowed are {', '.join(sorted(studies))}"
        none = f"no study is below {root}: train.py study=NAME makes one, root=PATH finds others"
        hint = did_you_mean(study, studies)
        raise SymscapeError(f"study={study}: {hint}{known if studies else none}")
    runs = [open_run(p.parent) for p in folder.glob("*/seed=*/manifest.json") if _is_run(p.parent)]
    return sorted(runs, key=lambda run: (run.manifest.name, run.manifest.seed))


def _is_run(folder: Path) -> bool:
    return re.fullmatch(r"seed=\d+", folder.name) is not None


FORMERLY = {"turned/change": "turned/displacement"}
"""Figures that earlier versions wrote under another name."""


def read_figures(folder: Path) -> dict[str, float]:
    """Return the final figures of a completed run.

    Raises:
        SymscapeError: `metrics.json` is damaged or missing.
    """
    path = folder / "metrics.json"
    try:
        figures: dict[str, float] = json.loads(path.read_text(encoding="utf-8"))
        return {FORMERLY.get(name, name): value for name, value in figures.items()}
    except (OSError, ValueError, AttributeError) as error:
        raise SymscapeError(
            f"{path}: damaged or missing ({error}); force=true trains anew"
        ) from error


def completed_figures(folder: Path, image_size: int | None = None) -> dict[str, float] | None:
    """Return the final figures of a run, or None if it is not completed.

    Args:
        folder: of the run.
        image_size: that it claims, if any; earlier versions heeded it for folders of images alone.

    Raises:
        SymscapeError: a file of it is damaged, or it was trained on images of another size.
    """
    manifest = read_manifest(folder)
    if manifest is None or manifest.status != "completed":
        return None
    if image_size and (height := manifest.data.get("height", image_size)) != image_size:
        raise SymscapeError(
            f"{folder}: data.image_size={image_size}, but an earlier version trained it on "
            f"{height} pixels; force=true trains anew"
        )
    return read_figures(folder)


def weights_path(folder: Path, step: str = "final") -> Path:
    """Return the path of the weights `init`, `final`, or after a number of steps."""
    name = step if step in ("init", "final") else f"step={int(step):08d}"
    return folder / "weights" / f"{name}.safetensors"


def kept_weights(run: Run) -> list[str]:
    """Return the names of all weights kept in training, in its order: init, steps, final."""
    steps = sorted(name for name in run.manifest.weights if name.startswith("step="))
    return ["init", *(str(int(name.removeprefix("step="))) for name in steps), "final"]


def load_network(run: Run, step: str = "final") -> nn.Module:
    """Return a run's effective network in eval mode, on the CPU, channels-last.

    Raises:
        SymscapeError: the weights are missing, damaged or of another architecture.
    """
    return load_at(run, step)[0]


def load_at(run: Run, step: str) -> tuple[nn.Module, int]:
    """Return what `load_network` does, and the number of optimiser steps behind it."""
    from symscape.models.build import build_plain, plain_state, shapes_of
    from symscape.models.weights import fill_network
    from symscape.runs.weights import read_weights

    safe_point()
    path = weights_path(run.folder, step)
    state, metadata = read_weights(path)
    if run.manifest.weights.get(path.stem, metadata["sha256"]) != metadata["sha256"]:
        raise SymscapeError(f"{path}: not the weights that {run.folder}/manifest.json names")
    data = run.manifest.data
    network = build_plain(run.config.model, **shapes_of(data), group=run.config.group)
    plain = plain_state(run.config, state)
    network.to(next(t.dtype for t in plain.values() if t.is_floating_point()))
    fill_network(network, plain, path)
    return network.eval(), int(metadata["step"])


def constrained_network(run: Run) -> nn.Module:
    """Return a network with the run's symmetric convolutions, for their bases: not its weights."""
    from symscape.models.build import build_network, shapes_of

    config = run.config
    return build_network(
        replace(config.model, weights=None),
        config.symmetry,
        **shapes_of(run.manifest.data),
        seed=0,
        group=config.group,
        kernel=config.kernel,
    )
