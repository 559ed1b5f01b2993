"""What an analysis is about: runs of a study, or networks that no run trained."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Mapping, Sequence
from dataclasses import asdict
from pathlib import Path
from typing import TYPE_CHECKING, Any

from symscape.config.analysis import AnalysisConfig, FilterConfig, PlaceConfig
from symscape.config.network.model import ON_GROUPS
from symscape.errors import SymscapeError
from symscape.jobs.console import log
from symscape.runs.find import Run, constrained_network, find_runs, load_at, open_run
from symscape.runs.subjects import Reference, refer

if TYPE_CHECKING:
    from torch import nn

    from symscape.data.images import ImageData

NETWORKS = "networks"
"""The folder, beside the studies, of what is found of networks that no run trained."""


class Subject(ABC):
    """A network with its weights, and the images that it is for; compared by identity."""

    reference: Reference
    title: str
    """The subject, briefly."""
    run: Run | None = None
    """What trained it; None: nothing of ours did."""

    @property
    @abstractmethod
    def data(self) -> Mapping[str, Any]:
        """What `ImageData.describe` says of its images."""

    @abstractmethod
    def images(self, place: PlaceConfig) -> ImageData:
        """Return its images, from `place` if they have moved.

        Raises:
            SymscapeError: they are not there, or they are others.
        """

    @abstractmethod
    def load_at(self, moment: str) -> tuple[nn.Module, int | None]:
        """Return a plain network of its own in eval mode, on the CPU, and the steps behind it.

        Raises:
            SymscapeError: the weights are missing or damaged.
        """

    @abstractmethod
    def constrained(self) -> nn.Module:
        """Return the network with what ties its kernels, whatever its weights; to be read."""

    def load(self) -> nn.Module:
        """Return the network at its end, as `load_at` does."""
        return self.load_at("final")[0]


class RunSubject(Subject):
    """A completed run."""

    def __init__(self, run: Run) -> None:
        self.run: Run = run
        self.reference, self.title = refer(run), run.title

    @property
    def data(self) -> Mapping[str, Any]:
        """What its manifest says of its images."""
        return self.run.manifest.data

    def images(self, place: PlaceConfig) -> ImageData:
        """Return the images that it was trained on."""
        from symscape.jobs.analysis.images import images_of

        return images_of(self.run, place)

    def load_at(self, moment: str) -> tuple[nn.Module, int | None]:
        """Return its effective network at a moment of its training."""
        return load_at(self.run, moment)

    def constrained(self) -> nn.Module:
        """Return the network that was trained, anew."""
        return constrained_network(self.run)


def images_asked(subject: Subject) -> dict[str, Any]:
    """Return the settings that say which images a network is measured on; a run has its own."""
    keys = ("content", "height", "width", "mean", "std")
    return {} if subject.run is not None else {f"data.{key}": subject.data[key] for key in keys}


def select_runs(config: AnalysisConfig, named: Sequence[str | None]) -> list[Run]:
    """Return the completed runs that are asked for; say which ones are left out.

    Args:
        config: names a study, whose runs pass its filters; or
        named: the folders of these runs; None stands for a run that was not named.

    Raises:
        SymscapeError: a run or a study is not there, nothing passes, or a named run is unfinished.
    """
    if config.study is None:
        return _named([Path(folder) for folder in named if folder is not None])
    runs = [run for run in find_runs(Path(config.root), config.study) if passes(run, config.only)]
    completed = [run for run in runs if run.state == "completed"]
    if not completed:
        few = f"no {'completed ' if runs else ''}run passes the filters {_shown(config.only)}"
        rest = f"; {len(runs)} unfinished, which the same train.py resumes" if runs else ""
        raise SymscapeError(f"study={config.study}: {few}{rest}")
    for run in runs:
        if run not in completed:
            log.info(f"left out: {run.folder} is {run.state}")
    return completed


def _named(folders: Sequence[Path]) -> list[Run]:
    runs = [open_run(folder) for folder in folders]
    if len({run.folder.resolve() for run in runs}) < len(runs):
        raise SymscapeError(f"a=b={runs[0].folder}: a run has no barrier to itself")
    for run in runs:
        if run.state != "completed":
            raise SymscapeError(f"{run.folder}: this run is {run.state}, not completed")
    return runs


def passes(run: Run, only: FilterConfig) -> bool:
    """Whether a run passes all filters."""
    config = run.config
    on_group = config.model.name in ON_GROUPS
    values = {
        "symmetry": config.symmetry.name,
        "group": config.group.name if on_group else "none",
        "kernel": config.kernel.name if on_group else "",
        "augment": run.config.data.augment,
        "model": run.config.model.label,
        "seed": run.config.seed,
    }
    wanted = {key: getattr(only, key) for key in values}
    return all(wanted[key] is None or values[key] in wanted[key] for key in values)


def _shown(only: FilterConfig) -> str:
    given = {key: value for key, value in asdict(only).items() if value is not None}
    return ", ".join(f"only.{key}={value}" for key, value in given.items()) or "(none)"
