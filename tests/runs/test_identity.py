"""A run's place is a function of what can change its result."""

from dataclasses import replace

import pytest

from symscape.config.data import DataConfig
from symscape.config.groups import OptimizerConfig, SchedulerConfig, SymmetryConfig, TrainerConfig
from symscape.config.network.model import ModelConfig
from symscape.config.shared import LoggerConfig
from symscape.config.train import TrainConfig
from symscape.runs.identity import config_hash, identify, identity

BASE = TrainConfig()


def hash_of(content: str = "cifar10", **changes: object) -> str:
    return config_hash(replace(BASE, **changes), content)


def test_defaults_leave_only_names():
    assert identity(BASE, "cifar10") == {
        "data.name": "cifar10",
        "model.name": "resnet18",
        "symmetry.name": "vanilla",
        "optimizer.name": "sgd",
        "scheduler.name": "steps",
    }


@pytest.mark.parametrize(
    "changes",
    [
        {"seed": 3},
        {"study": "other"},
        {"root": "elsewhere"},
        {"force": True},
        {"logger": LoggerConfig(name="wandb", mode="offline")},
        {"trainer": TrainerConfig(accelerator="cpu")},
        {"trainer": TrainerConfig(name="ddp", devices=4, num_nodes=2)},
        {"data": DataConfig(root="somewhere")},
        {"model": ModelConfig(width=64)},
        {"model": ModelConfig(padding="zeros", downsample="stride", blur=3)},
        {"symmetry": SymmetryConfig(init="plain", parametrization="projected", like="d4")},
        {"symmetry": SymmetryConfig(layers=["shortcuts", "stem", "blocks"])},
        {"symmetry": SymmetryConfig(compute="fold", explain=True)},
        {"scheduler": SchedulerConfig(warmup=0.1)},
    ],
    ids=str,
)
def test_what_cannot_change_the_result_leaves_the_hash_alone(changes):
    assert hash_of(**changes) == hash_of()


@pytest.mark.parametrize(
    "changes",
    [
        {"optimizer": OptimizerConfig(lr=0.2)},
        {"data": DataConfig(augment=True)},
        {"data": DataConfig(val_fraction=0.2)},
        {"model": ModelConfig(width=32)},
        {"model": ModelConfig(padding="partial")},
        {"model": ModelConfig(downsample="sbpool")},
        {"symmetry": SymmetryConfig("rot90")},
        {"symmetry": SymmetryConfig("rot90", init="plain")},
        {"symmetry": SymmetryConfig("random")},
        {"symmetry": SymmetryConfig("random", seed=1)},
        {"trainer": TrainerConfig(max_epochs=8)},
        {"trainer": TrainerConfig(precision="float32")},
        {"compile": True},
    ],
    ids=str,
)
def test_what_can_change_the_result_changes_the_hash(changes):
    assert hash_of(**changes) != hash_of()
    assert len({hash_of(**changes), hash_of(**changes)}) == 1


def test_the_hash_of_today_s_default_run_is_fixed():
    """Runs on disk stay valid: changing this value orphans them."""
    assert hash_of() == "e57a32e8"


def test_true_and_standard_are_one_augmentation():
    assert hash_of(data=DataConfig(augment=True)) == hash_of(data=DataConfig(augment="standard"))


def test_the_taps_of_a_blur_count_where_there_is_one():
    blurs = [ModelConfig(downsample="blur", blur=taps) for taps in (None, 3)]
    assert hash_of(model=blurs[0]) != hash_of(model=blurs[1])


def test_a_folder_counts_by_content_not_by_path():
    here, there = (DataConfig("folder", root=root) for root in ("a", "b"))
    assert hash_of("key", data=here) == hash_of("key", data=there)
    assert hash_of("key", data=here) != hash_of("other", data=here)


def test_names_are_readable():
    config = TrainConfig(
        seed=7,
        study="kernels",
        symmetry=SymmetryConfig("rot90"),
        data=DataConfig(augment=True),
    )
    name = identify(config, "cifar10").name
    assert name == f"cifar10-resnet18-rot90-standard-{config_hash(config, 'cifar10')}"
    assert identify(config, "cifar10").folder.parts == ("multirun", "kernels", name, "seed=7")
