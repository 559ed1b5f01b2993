"""Which process of those that torchrun or srun started this one is."""

import pytest

from symscape.config.groups import TrainerConfig
from symscape.errors import ConfigError
from symscape.training.ranks.place import Place, given_place

TORCHRUN = {"TORCHELASTIC_RUN_ID": "1", "RANK": "5", "LOCAL_RANK": "1", "WORLD_SIZE": "8"}
SRUN = {"SLURM_PROCID": "5", "SLURM_LOCALID": "1", "SLURM_STEP_NUM_TASKS": "8"}


def ddp(devices: int | None = None, num_nodes: int = 1) -> TrainerConfig:
    return TrainerConfig(name="ddp", devices=devices, num_nodes=num_nodes)


@pytest.mark.parametrize("environment", [TORCHRUN, SRUN], ids=["torchrun", "srun"])
@pytest.mark.parametrize("config", [ddp(4, 2), ddp(None, 2)], ids=["4 devices", "all"])
def test_the_launcher_tells(environment, config):
    assert given_place(config, environment) == Place(5, 1, 8)


def test_without_a_launcher_there_is_none_and_one_machine():
    assert given_place(ddp(4), {}) is None
    with pytest.raises(ConfigError, match=r"trainer.num_nodes=2: needs torchrun or srun"):
        given_place(ddp(4, 2), {})


def test_a_batch_job_of_one_task_starts_its_own_processes():
    assert given_place(ddp(4), {**SRUN, "SLURM_PROCID": "0", "SLURM_STEP_NUM_TASKS": "1"}) is None


@pytest.mark.parametrize(
    ("environment", "launcher"), [(TORCHRUN, "torchrun"), (SRUN, "srun")], ids=["torchrun", "srun"]
)
def test_another_number_of_processes_is_one_line(environment, launcher):
    with pytest.raises(ConfigError, match=f"{launcher} started 8 processes"):
        given_place(ddp(2, 2), environment)
    with pytest.raises(ConfigError, match="started 8 processes"):
        given_place(ddp(None, 3), environment)
