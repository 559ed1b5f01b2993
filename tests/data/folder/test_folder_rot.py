"""A user's own images, turned: decoded once, each by its own angle, upright where asked for."""

from __future__ import annotations

import math
from dataclasses import replace
from pathlib import Path

import pytest
import torch

from symscape.config.data import DataConfig
from symscape.config.train import TrainConfig
from symscape.data.content import content_key
from symscape.data.load import load_data, upright_test
from symscape.data.turned import ANGLE_SEEDS, turned, uniform
from symscape.errors import ConfigError
from symscape.runs.identity import identify, identity
from tests.data.folder.image_trees import config_of, make_tree, pack


@pytest.fixture
def tree(tmp_path: Path) -> Path:
    return make_tree(tmp_path / "images", train=4, test=3, size=(12, 12))


def rot(root: Path, **other: object) -> DataConfig:
    return config_of(root, name="folder_rot", **other)


@pytest.mark.parametrize("size", [None, 8])
def test_test_images_are_turned_after_they_are_resized(tree, size):
    upright = load_data(config_of(tree, image_size=size, val_fraction=0.25))
    data = load_data(rot(tree, image_size=size, val_fraction=0.25, turned="test"))
    angles = uniform(ANGLE_SEEDS["test"], 0, 2 * math.pi, 6)
    assert torch.equal(data.test.images, turned(upright.test.images, angles))
    assert not (data.test.images == upright.test.images).flatten(1).all(1).any()
    for part in ("train", "val", "test"):
        here, there = getattr(data, part), getattr(upright, part)
        assert torch.equal(here.labels, there.labels)
        assert part == "test" or torch.equal(here.images, there.images)
    assert (data.classes, data.mean, data.std) == (upright.classes, upright.mean, upright.std)


def test_training_images_are_turned_too_by_default(tree):
    upright, both = load_data(config_of(tree)), load_data(rot(tree))
    angles = uniform(ANGLE_SEEDS["train"], 0, 2 * math.pi, 8)
    assert torch.equal(both.train.images, turned(upright.train.images, angles))
    only = load_data(rot(tree, turned="test"))
    assert torch.equal(both.test.images, only.test.images)


def test_upright_and_turned_ones_share_what_is_decoded(tree):
    load_data(config_of(tree))
    cache = tree.parent / ".symscape-cache"
    before = {p: p.stat().st_mtime_ns for p in cache.rglob("*.npy")}
    load_data(rot(tree))
    load_data(rot(tree, turned="test"))
    assert {p: p.stat().st_mtime_ns for p in cache.rglob("*.npy")} == before


@pytest.mark.parametrize("which", ["both", "test"])
def test_upright_test_images_are_those_before_the_turn(tree, which):
    config = rot(tree, turned=which, image_size=9)
    data = load_data(config)
    upright = upright_test(config, data)
    assert torch.equal(upright.images, load_data(config_of(tree, image_size=9)).test.images)
    assert torch.equal(upright.labels, data.test.labels)


def test_other_turns_are_other_images_and_an_archive_of_them_is_the_same(tree, tmp_path):
    configs = config_of(tree), rot(tree), rot(tree, turned="test")
    assert len({load_data(config).content for config in configs}) == 3
    archive = pack(tree, tmp_path / "packed.tar.xz")
    for which in ("both", "test"):
        there = load_data(rot(archive, turned=which, cache=str(tmp_path / "other")))
        here = load_data(rot(tree, turned=which))
        assert there.content == here.content
        assert torch.equal(there.test.images, here.test.images)


def test_what_is_turned_is_part_of_what_a_run_is(tree):
    key = content_key(rot(tree))
    assert key == content_key(config_of(tree))
    configs = [TrainConfig(data=c) for c in (config_of(tree), rot(tree), rot(tree, turned="test"))]
    assert len({identify(config, key).hash for config in configs}) == 3
    assert identify(configs[1], key).name.startswith("folder_rot-resnet18-vanilla-none-")
    tree_of = [identity(config, key) for config in configs]
    assert [of.get("data.turned") for of in tree_of] == [None, None, "test"]
    assert {of["data.content"] for of in tree_of} == {key}
    moved = replace(configs[2], data=replace(configs[2].data, root="elsewhere", cache="other"))
    assert identity(moved, key) == tree_of[2]


def test_hashes_of_upright_folders_stand():
    config = TrainConfig(data=DataConfig("folder", root="anywhere"))
    assert identify(config, "0" * 64).hash == "e8ea26a2"


@pytest.mark.parametrize("asked", [lambda data: TrainConfig(data=data), load_data])
def test_it_needs_a_root(asked):
    with pytest.raises(ConfigError, match=r"^data.root=null: data=folder_rot needs data.root=PATH"):
        asked(DataConfig("folder_rot"))
