"""Hydra's door to sweeps: a sweeper, and the launchers of cfg/hydra/launcher.

Hydra accepts plugins from this package alone, and loads them at every start: nothing heavy here.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Any, TypeVar

from hydra._internal.core_plugins.basic_sweeper import BasicSweeper
from hydra.core.hydra_config import HydraConfig
from hydra.core.override_parser.overrides_parser import OverridesParser
from hydra.core.override_parser.types import Override
from hydra.core.utils import JobReturn, JobStatus, filter_overrides, setup_globals
from hydra.plugins.launcher import Launcher
from hydra.types import HydraContext, TaskFunction
from omegaconf import DictConfig, OmegaConf, open_dict

if TYPE_CHECKING:
    from symscape.sweeps.engine import Engine
    from symscape.sweeps.plan import Wish

AnyEngine = TypeVar("AnyEngine")


class GridSweeper(BasicSweeper):
    """Hydra's product of all choices; and several such products, one after the other.

    Args:
        max_batch_size: as Hydra has it.
        params: choices of every product; the command line has the last word.
        grids: choices of one product each; null: there is one product, of `params` alone.
    """

    def __init__(
        self,
        max_batch_size: int | None = None,
        params: dict[str, str] | None = None,
        grids: Sequence[Mapping[str, Any]] | None = None,
    ) -> None:
        super().__init__(max_batch_size, params)
        self.grids = grids or [{}]

    def split_arguments(  # type: ignore[override]  # Hydra's is static, and called on an instance.
        self, overrides: list[Override], max_batch_size: int | None
    ) -> list[list[list[str]]]:
        """Return the options of all jobs, in batches."""
        loader = self.hydra_context.config_loader if self.hydra_context else None
        parser = OverridesParser.create(config_loader=loader)
        shared, given = overrides[: len(self.params)], overrides[len(self.params) :]
        jobs: dict[frozenset[str], list[str]] = {}
        for grid in self.grids:
            own = parser.parse_overrides([f"{key}={value}" for key, value in grid.items()])
            (product,) = BasicSweeper.split_arguments([*shared, *own, *given], None)
            for job in product:
                # Where the command line has the last word two grids may come to the same.
                jobs.setdefault(frozenset(job), job)
        return list(self.split_overrides_to_chunks(list(jobs.values()), max_batch_size))

    def validate_batch_is_legal(self, batch: Sequence[Sequence[str]]) -> None:
        """Leave it to the launcher, which composes every config before the first job anyway."""


class _Launcher(Launcher):
    """Composes and checks all configs, and hands them to an engine."""

    def __init__(self, *, continue_on_failure: bool = True, **options: Any) -> None:
        self.continue_on_failure, self.options = continue_on_failure, options

    def setup(
        self, *, hydra_context: HydraContext, task_function: TaskFunction, config: DictConfig
    ) -> None:
        self.context, self.task, self.config = hydra_context, task_function, config

    def engine(self) -> Engine:
        """Return what runs the jobs."""
        raise NotImplementedError

    def launch(
        self, job_overrides: Sequence[Sequence[str]], initial_job_idx: int
    ) -> Sequence[JobReturn]:
        from symscape.sweeps.sweep import sweep

        setup_globals()
        engine = self.engine()
        numbered = enumerate(job_overrides, initial_job_idx)
        wishes = [self._wish(number, list(words)) for number, words in numbered]
        place = Path(str(self.config.hydra.sweep.dir))
        values = sweep(wishes, engine, place, continue_on_failure=self.continue_on_failure)
        return [
            JobReturn(overrides=wish.words, status=JobStatus.COMPLETED, _return_value=value)
            for wish, value in zip(wishes, values, strict=True)
        ]

    def _wish(self, number: int, words: list[str]) -> Wish:
        from symscape.door import typed
        from symscape.errors import SymscapeError
        from symscape.sweeps.plan import Wish

        composed = self.context.config_loader.load_sweep_config(self.config, words)
        with open_dict(composed):
            composed.hydra.job.id = composed.hydra.job.num = number
        HydraConfig.instance().set_config(composed)
        with open_dict(composed):
            del composed["hydra"]
        schema = OmegaConf.get_type(composed)
        assert schema is not None
        checked: Any
        try:
            checked = typed(composed, schema)
            composed = OmegaConf.structured(checked)  # As composed, with all `${...}` resolved.
        except SymscapeError as error:
            checked = error
        return Wish(tuple(filter_overrides(words)), checked, partial(self.task, composed))


def _checked(kind: type[AnyEngine], options: dict[str, Any]) -> AnyEngine:
    """Return an engine with options of the types that its fields have."""
    engine = OmegaConf.to_object(OmegaConf.merge(OmegaConf.structured(kind), options))
    assert isinstance(engine, kind)
    return engine


class BasicLauncher(_Launcher):
    """One job after the other, in this process."""

    def engine(self) -> Engine:
        """Return what runs the jobs."""
        from symscape.sweeps.engine import Serial

        return Serial()


class RayLauncher(_Launcher):
    """One GPU a job, or a fraction, on this machine or a cluster."""

    def engine(self) -> Engine:
        """Return what runs the jobs."""
        from symscape.sweeps.on_ray import Ray

        return _checked(Ray, self.options)


class SlurmLauncher(_Launcher):
    """An array of Slurm jobs."""

    def engine(self) -> Engine:
        """Return what runs the jobs."""
        from symscape.sweeps.on_slurm import Slurm

        return _checked(Slurm, self.options)
