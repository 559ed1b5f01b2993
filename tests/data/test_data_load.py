"""One door for all data sets."""

from __future__ import annotations

import numpy as np
import pytest
import torch

from symscape.config.data import DataConfig
from symscape.data.images import ImageSet, channel_stats, channels_last
from symscape.data.load import load_data
from symscape.data.resize import resized
from symscape.errors import ConfigError
from tests.data.folder.image_trees import config_of, make_tree


def digits(**other: object) -> DataConfig:
    return DataConfig(name="digits", **{"batch_size": 64, **other})  # type: ignore[arg-type]


def test_digits_are_1797_stratified_greyscale_images():
    data = load_data(digits(val_fraction=0.1))
    assert len(data.train) + len(data.val) + len(data.test) == 1797
    assert data.train.images.shape[1:] == (1, 32, 32)
    assert data.train.images.dtype == torch.uint8
    assert data.classes == tuple("0123456789")
    everything = torch.cat([data.train.labels, data.val.labels, data.test.labels]).bincount()
    test = data.test.labels.bincount()
    assert (test - 0.2 * everything).abs().max() <= 0.5
    assert (data.val.labels.bincount() - 0.1 * (everything - test)).abs().max() <= 0.5


def test_digits_show_what_scikit_learn_has():
    from sklearn.datasets import load_digits as originals

    data = load_data(digits(val_fraction=0))
    shrunk = torch.nn.functional.avg_pool2d(data.test.images.double(), 4).flatten(1)
    known = torch.from_numpy(originals().data) * 255 / 16
    nearest = torch.cdist(shrunk, known).argmin(1)
    assert torch.equal(torch.from_numpy(originals().target)[nearest], data.test.labels)
    assert data.train.images.max() == 255


@pytest.mark.parametrize("size", [1, 8, 33])
def test_digits_come_in_any_size_with_a_content_key_of_their_own(size):
    native, data = load_data(digits()), load_data(digits(image_size=size))
    for part, other in ((data.train, native.train), (data.val, native.val)):
        assert part.images.shape == (len(other), 1, size, size)
        assert torch.equal(part.labels, other.labels)
        assert torch.equal(part.images, resized(other, size).images)
    assert data.content != native.content
    assert data.mean != native.mean


def test_the_size_that_a_set_has_changes_nothing():
    native, data = load_data(digits()), load_data(digits(image_size=32))
    assert torch.equal(data.train.images, native.train.images)
    assert data.content == native.content


def test_no_image_is_in_two_parts():
    data = load_data(digits())
    parts = [
        {i.numpy().tobytes() for i in part.images} for part in (data.train, data.val, data.test)
    ]
    assert not parts[0] & parts[1]
    assert not parts[0] & parts[2]
    assert not parts[1] & parts[2]


def test_the_split_is_the_same_each_time_and_shares_memory():
    one, two = load_data(digits()), load_data(digits(augment=True, batch_size=3))
    assert torch.equal(one.val.images, two.val.images)
    whole = one.train.images.untyped_storage().data_ptr()
    assert one.val.images.untyped_storage().data_ptr() == whole


def test_a_mapped_set_stays_mapped_when_it_is_split(tree):
    data = load_data(config_of(tree, val_fraction=0.2))
    assert (len(data.train), len(data.val)) == (8, 2)
    whole = data.train.images.untyped_storage().data_ptr()
    assert data.val.images.untyped_storage().data_ptr() == whole


def test_without_a_share_nothing_is_held_out():
    data = load_data(digits(val_fraction=0))
    assert len(data.val) == 0
    assert len(data.train) == 1438


def test_mean_and_std_are_those_of_the_training_part(tree):
    data = load_data(config_of(tree, val_fraction=0.2))
    pixels = data.train.images.double() / 255
    assert data.mean == pytest.approx(pixels.mean((0, 2, 3)).tolist())
    assert data.std == pytest.approx(pixels.std((0, 2, 3), correction=0).tolist())


def test_stats_do_not_depend_on_order_or_blocks():
    images = torch.randint(256, (50, 3, 5, 5), dtype=torch.uint8)
    assert channel_stats(images) == channel_stats(images.flip(0), block=600)


def test_a_constant_channel_is_not_divided_by_zero():
    mean, std = channel_stats(torch.full((4, 1, 2, 2), 51, dtype=torch.uint8))
    assert (mean, std) == ((0.2,), (1.0,))


def test_content_tells_images_apart():
    one = load_data(digits()).content
    assert len(one) == 64
    assert int(one, 16) >= 0
    assert load_data(digits(val_fraction=0.3)).content == one


def test_a_batch_larger_than_the_data_is_refused(tree):
    with pytest.raises(
        ConfigError, match=r"data.batch_size=11: larger than the 10 training images"
    ):
        load_data(config_of(tree, batch_size=11))
    assert len(load_data(config_of(tree, batch_size=10)).train) == 10


def test_quarter_turns_of_oblong_images_are_refused_before_training(tree, tmp_path):
    with pytest.raises(ConfigError, match=r"data.augment=rot90: needs square images.*6x8"):
        load_data(config_of(tree, augment="rot90"))
    square = make_tree(tmp_path / "square", size=(6, 6))
    assert len(load_data(config_of(square, augment="rot90")).train) == 10


def test_a_subset_has_the_chosen_images():
    images = channels_last(torch.arange(12).view(3, 2, 2, 1).byte(), torch.arange(3))
    chosen = images.subset(torch.tensor([2, 0]))
    assert isinstance(chosen, ImageSet)
    assert len(chosen) == 2
    assert chosen.labels.tolist() == [2, 0]
    assert np.array_equal(chosen.images[0], images.images[2])
