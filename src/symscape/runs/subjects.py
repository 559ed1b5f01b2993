"""What a result is about: a run, or a network that no run trained; and with which weights."""

from __future__ import annotations

import re
from dataclasses import dataclass
from typing import Any, ClassVar

from symscape.config.network.model import MODELS
from symscape.config.train import TrainConfig
from symscape.runs.find import Run
from symscape.runs.identity import kind


@dataclass
class RunReference:
    """Which run a result is about."""

    folder: str
    study: str
    name: str
    seed: int
    model: str
    symmetry: str
    """Of its kernels; of networks on groups, the group and the kernels' factors."""
    augment: str
    weights: str
    """Content hash of the final weights."""
    wandb_id: str = ""
    variant: str = ""
    """What else tells its kind apart in a word or two: which group's orbits are drawn, a width."""

    @property
    def label(self) -> str:
        """The run's name and seed."""
        return f"{self.name} seed={self.seed}"

    @property
    def key(self) -> str:
        """What stays when it is trained anew."""
        return self.folder


@dataclass
class NetworkReference:
    """Which network of a library, a file or the user's own a result is about."""

    label: str
    """`torchvision/resnet50`, say."""
    weights: str
    """Content hash of its weights."""
    wandb_id: str = ""

    symmetry: ClassVar[str] = ""
    """None is known: what tables have columns for runs have here nothing to say."""
    augment: ClassVar[str] = ""
    seed: ClassVar[str] = ""

    @property
    def name(self) -> str:
        """What it shares with those that differ by their seed alone: it is one of a kind."""
        return self.label

    @property
    def key(self) -> str:
        """What stays when its weights are others."""
        return self.label


Reference = RunReference | NetworkReference


def file_label(reference: Reference) -> str:
    """Return a subject's label as a part of a file's name."""
    return re.sub(r"[^\w.=-]+", "-", reference.label)


def refer(run: Run) -> RunReference:
    """Return the reference to a completed run."""
    config = run.config
    return RunReference(
        folder=str(run.folder),
        study=config.study,
        name=run.manifest.name,
        seed=run.manifest.seed,
        model=config.model.label,
        symmetry=kind(config),
        augment=config.data.augment,
        weights=run.manifest.weights["final"],
        # Every run has an id, which W&B knows only if the run was logged there.
        wandb_id=run.manifest.wandb_id if config.logger.name == "wandb" else "",
        variant=variant_of(config),
    )


def variant_of(config: TrainConfig) -> str:
    """Return in a word or two what a kind of run has that its symmetry does not say."""
    said = []
    if config.symmetry.name == "random":
        said.append(f"like {config.symmetry.like}")
    family = MODELS.get(config.model.name)
    if family is not None and config.model.width != family.width:
        said.append(f"width {config.model.width}")
    return ", ".join(said)


def read_reference(entries: dict[str, Any]) -> Reference:
    """Return the reference that a result's file holds.

    Raises:
        TypeError: it lacks a field, or has one too many.
    """
    return RunReference(**entries) if "folder" in entries else NetworkReference(**entries)
