"""Turned digits: built in, the same for every run, whole, and upright where they are asked for."""

from __future__ import annotations

import math

import pytest
import torch

from symscape.config.data import DataConfig
from symscape.data.load import load_data, upright_test
from symscape.data.resize import resized
from symscape.data.sets.digits import load_framed
from symscape.data.turned import ANGLE_SEEDS, turned, uniform


def config(**other: object) -> DataConfig:
    return DataConfig(name="digits_rot", **{"batch_size": 64, **other})  # type: ignore[arg-type]


def test_they_are_1797_stratified_greyscale_images_of_24_pixels():
    data = load_data(config())
    assert len(data.train) + len(data.val) + len(data.test) == 1797
    assert data.train.images.shape[1:] == (1, 24, 24)
    assert data.train.images.dtype == torch.uint8
    assert data.classes == tuple("0123456789")
    everything = torch.cat([data.train.labels, data.val.labels, data.test.labels]).bincount()
    test = data.test.labels.bincount()
    assert (test - 0.2 * everything).abs().max() <= 0.5
    assert (data.val.labels.bincount() - 0.1 * (everything - test)).abs().max() <= 0.5


def test_no_image_is_in_two_parts_upright_or_turned():
    for which in ("both", "test"):
        data = load_data(config(turned=which))
        parts = [
            {i.numpy().tobytes() for i in part.images} for part in (data.train, data.val, data.test)
        ]
        assert sum(map(len, parts)) == 1797
        assert not parts[0] & parts[1] | parts[0] & parts[2] | parts[1] & parts[2]
    upright = [{i.numpy().tobytes() for i in part.images} for part in load_framed()[:2]]
    assert not upright[0] & upright[1]


def test_a_run_sees_what_every_run_sees():
    one, two = load_data(config()), load_data(config(augment=True, batch_size=3))
    assert torch.equal(one.train.images, two.train.images)
    assert one.content == two.content
    # Pinned: a change would make runs on other machines, or of earlier versions, others.
    assert one.content == "caec46c57eba7741fe32ff15d082fea6171dd869f91bc10642bc9746c2c9249e"


def test_trained_upright_and_tested_turned():
    both, only = load_data(config(val_fraction=0)), load_data(config(turned="test", val_fraction=0))
    upright = load_framed()[0]
    assert torch.equal(only.train.images, upright.images)
    assert torch.equal(only.train.labels, both.train.labels)
    assert torch.equal(only.test.images, both.test.images)
    assert only.content != both.content
    same = (both.train.images == upright.images).flatten(1).all(1)
    assert not same.any()


def test_each_image_is_turned_by_its_own_angle():
    data = load_data(config(val_fraction=0))
    upright = load_framed()
    for part, images, name in ((data.train, upright[0], "train"), (data.test, upright[1], "test")):
        angles = uniform(ANGLE_SEEDS[name], 0, 2 * math.pi, len(part))
        assert angles.unique().numel() == len(part)
        assert torch.equal(part.images, turned(images.images, angles))
        assert torch.equal(part.labels, images.labels)


def test_no_turn_cuts_a_corner_off():
    """A white square of 16 pixels lies within the frame however it is turned."""
    white = torch.zeros(36, 1, 24, 24, dtype=torch.uint8)
    white[..., 4:20, 4:20] = 255
    mass = turned(white, torch.linspace(0, 6.2, 36)).double().sum((1, 2, 3)) / (255 * 256)
    assert (mass - 1).abs().max() < 0.01


def test_upright_test_images_are_those_before_the_turn_in_the_same_order():
    settings = config()
    data = load_data(settings)
    upright = upright_test(settings, data)
    angles = uniform(ANGLE_SEEDS["test"], 0, 2 * math.pi, len(upright))
    assert torch.equal(turned(upright.images, angles), data.test.images)
    assert torch.equal(upright.labels, data.test.labels)


@pytest.mark.parametrize("size", [12, 33])
def test_another_size_is_that_of_the_turned_images(size):
    settings = config(image_size=size)
    native, data = load_data(config()), load_data(settings)
    assert torch.equal(data.train.images, resized(native.train, size).images)
    assert upright_test(settings, data).images.shape == (359, 1, size, size)
    assert data.content != native.content


def test_other_data_has_its_test_part_alone():
    settings = DataConfig(name="digits", batch_size=64)
    data = load_data(settings)
    assert upright_test(settings, data) is data.test
