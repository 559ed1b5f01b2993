"""Which of the processes that train one network this one is. Needs no torch."""

from __future__ import annotations

import os
from collections.abc import Mapping
from dataclasses import dataclass

from symscape.config.groups import TrainerConfig
from symscape.errors import ConfigError


@dataclass(frozen=True)
class Place:
    """A process among those that train one network."""

    rank: int = 0
    local_rank: int = 0
    """Its number on its machine, which is that of its GPU."""
    ranks: int = 1
    port: int | None = None
    """Where the first rank is met on this machine; None: MASTER_ADDR and MASTER_PORT tell."""
    listener: int | None = None
    """File descriptor of the first rank's socket, already bound to `port`."""


def given_place(config: TrainerConfig, environment: Mapping[str, str] = os.environ) -> Place | None:
    """Return the place that torchrun or srun gave this process; None where neither did.

    Raises:
        ConfigError: it started another number of processes than the config asks for, or several
            machines are asked for and nothing started processes on them.
    """
    names: tuple[str, ...] = ()
    if "TORCHELASTIC_RUN_ID" in environment:
        names = ("torchrun", "RANK", "LOCAL_RANK", "WORLD_SIZE")
    elif int(environment.get("SLURM_STEP_NUM_TASKS", 1)) > 1:
        names = ("srun", "SLURM_PROCID", "SLURM_LOCALID", "SLURM_STEP_NUM_TASKS")
    if not names:
        if config.num_nodes > 1:
            raise ConfigError(
                "trainer.num_nodes", config.num_nodes, "needs torchrun or srun to start processes"
            )
        return None
    launcher, *keys = names
    place = Place(*(int(environment[key]) for key in keys))
    if place.ranks != config.num_nodes * (config.devices or place.ranks // config.num_nodes):
        raise ConfigError(
            "trainer.devices",
            config.devices,
            f"on {config.num_nodes} machines, but {launcher} started {place.ranks} processes",
        )
    return place
