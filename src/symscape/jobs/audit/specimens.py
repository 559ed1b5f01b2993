"""What is audited: a run, or a network that no run trained; the same to look at."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import Any

from torch import nn

from symscape.config.audit import AuditConfig
from symscape.config.network.model import FOREIGN, ON_GROUPS
from symscape.errors import ConfigError
from symscape.jobs.analysis.networks import weighted
from symscape.models.build import group_grid
from symscape.models.zoo import ZooNetwork
from symscape.runs.find import Run
from symscape.runs.find import load_network as load_run
from symscape.runs.subjects import Reference, refer


@dataclass(frozen=True, eq=False)
class Specimen:
    """A network to look at."""

    reference: Reference
    weights: str
    """Where they come from, in words."""
    channels: int
    size: tuple[int, int]
    """Of its images: rows and columns."""
    moments: Mapping[str, Callable[[], nn.Module]]
    """Loads the network, in eval mode on the CPU, at moments of its training; the last is
    `final`."""
    run: Run | None = None
    zoo: ZooNetwork | None = None
    about: dict[str, Any] = field(default_factory=dict)
    """What else a result should say of it."""

    @property
    def title(self) -> str:
        """It, briefly."""
        return self.reference.label if self.run is None else self.run.title

    @property
    def final(self) -> nn.Module:
        """The network at its end."""
        return self.moments["final"]()


def specimen_of_run(run: Run) -> Specimen:
    """Return a completed run as something to look at, at its start and at its end."""
    data = run.manifest.data
    about = {key: getattr(run.config.model, key) for key in ("padding", "downsample", "blur")}
    if run.config.model.name == FOREIGN:  # Nobody knows these of it.
        about = {"library": run.manifest.library}
    if tied := tied_means(run):
        about["tied"] = tied
    return Specimen(
        reference=refer(run),
        weights="trained here",
        channels=data["channels"],
        size=(data["height"], data["width"]),
        moments={"init": lambda: load_run(run, "init"), "final": lambda: load_run(run)},
        run=run,
        about=about,
    )


def tied_means(run: Run) -> list[str]:
    """Return under what the mean kernels of a network on a group are symmetric by construction.

    They are means over the group too; what of it the pixels can follow leaves them as they are.
    """
    if run.config.model.name not in ON_GROUPS:
        return []
    lattice = group_grid(run.config.group).lattice
    return [name for name in lattice if name != "identity"]


def specimen_of_network(config: AuditConfig) -> Specimen:
    """Return the network that the config names, with its weights.

    Raises:
        SymscapeError: it cannot be had, its weights are missing or of another network, or nobody
            says how large its images are.
    """
    assert config.network is not None
    loaded = weighted(config.network, config.weights, seed=config.seed)
    zoo = loaded.zoo
    size = tuple(config.input_size) if config.input_size else zoo.input_size
    if size is None:
        raise ConfigError("input_size", None, f"{config.network} does not say; N or [height,width]")
    return Specimen(
        reference=loaded.reference,
        weights=loaded.weights,
        channels=zoo.channels,
        size=(size[0], size[1]),
        moments={"final": lambda: zoo.network},
        zoo=zoo,
        about={"library": zoo.library},
    )
