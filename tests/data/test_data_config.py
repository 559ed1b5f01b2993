"""What a data config refuses, and that new options leave old runs alone."""

from __future__ import annotations

import pytest

from symscape.config.data import DATASETS, FOLDERS, UPRIGHT, DataConfig
from symscape.config.train import TrainConfig
from symscape.errors import ConfigError
from symscape.runs.identity import config_hash, identity

TURNED_ONLY = ("mnist_rot", "mnist_rot_scale")


@pytest.mark.parametrize("name", UPRIGHT)
def test_data_that_is_turned_here_can_be_trained_upright(name):
    assert DataConfig(name=name).turned == "both"
    assert DataConfig(name=name, turned="test").turned == "test"


@pytest.mark.parametrize("name", [n for n in DATASETS if n not in (*UPRIGHT, *TURNED_ONLY)])
def test_data_that_is_not_turned_says_which_is(name):
    twins = {"digits": "digits_rot", "cifar10": "cifar10_rot", "folder": "folder_rot"}
    able = twins.get(name, "digits_rot, data=cifar10_rot or data=folder_rot")
    with pytest.raises(ConfigError) as caught:
        DataConfig(name=name, turned="test")
    line = f"data.turned=test: data={name} turns no image: data.turned=both, or data={able}"
    assert str(caught.value) == line


@pytest.mark.parametrize("name", TURNED_ONLY)
def test_data_without_upright_images_says_so(name):
    line = rf"^data.turned=test: data={name} has turned images only: data.turned=both, or "
    with pytest.raises(ConfigError, match=line):
        DataConfig(name=name, turned="test")


def test_an_unknown_part_is_named_with_the_nearest():
    with pytest.raises(ConfigError, match=r"data.turned=tets: did you mean 'test'"):
        DataConfig(name="digits_rot", turned="tets")


def test_a_run_is_another_one_only_where_its_training_images_are_upright():
    both, upright = (
        TrainConfig(data=DataConfig(name="digits_rot", turned=which)) for which in ("both", "test")
    )
    assert config_hash(both, "digits_rot") != config_hash(upright, "digits_rot")
    assert identity(upright, "digits_rot")["data.turned"] == "test"
    for name in DATASETS:
        if name not in (*FOLDERS, "shapes"):
            config = TrainConfig(data=DataConfig(name=name))
            assert "data.turned" not in identity(config, name)


def test_names_of_both_modules_are_the_same_things():
    from symscape.config import data, groups

    for name in ("DATASETS", "DENSE", "AUGMENTATIONS", "DataConfig"):
        if hasattr(groups, name):
            assert getattr(groups, name) is getattr(data, name)
