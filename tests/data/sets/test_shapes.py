"""Drawn shapes: the same always, of any size, their classes where they are drawn."""

from dataclasses import replace

import numpy as np
import pytest
import torch

from symscape.config.data import DataConfig
from symscape.data.batches import Batches
from symscape.data.load import load_data
from symscape.data.sets import shapes
from symscape.data.sets.shapes import CLASSES, INSIDE, draw_image
from symscape.errors import ConfigError


@pytest.fixture
def few(monkeypatch):
    monkeypatch.setattr(shapes, "COUNTS", {"train": 20, "test": 6})


def config(**options):
    return DataConfig("shapes", batch_size=4, **options)


def test_an_image_depends_on_its_part_and_number_alone(few):
    data = load_data(config(val_fraction=0.0))
    image, mask = draw_image("train", 7, 64)
    assert torch.equal(data.train.images[7, 0], torch.from_numpy(image))
    assert torch.equal(data.train.labels[7], torch.from_numpy(mask))
    assert not np.array_equal(image, draw_image("test", 7, 64)[0])
    assert data.train.images.shape == (20, 1, 64, 64) and data.train.labels.dtype == torch.uint8
    assert data.classes == CLASSES and len(data.test) == 6


def test_every_class_is_drawn_and_shows():
    images, masks = zip(*(draw_image("train", i, 64) for i in range(40)), strict=True)
    image, mask = np.stack(images) / 255, np.stack(masks)
    share = np.bincount(mask.flatten(), minlength=5) / mask.size
    assert share[0] > 0.5 and (share[1:] > 0.01).all()
    # Shapes are darker or brighter than any ground, but for the noise.
    inside, ground = image[mask > 0], image[mask == 0]
    assert np.mean((inside < 0.25) | (inside > 0.75)) > 0.9
    assert np.mean((ground > 0.15) & (ground < 0.85)) > 0.98


@pytest.mark.parametrize(
    ("name", "area"),
    [("disk", np.pi), ("square", 2.0), ("triangle", 27**0.5 / 4), ("cross", 2 * 0.5 * 1.9 - 0.25)],
)
def test_areas_of_shapes_of_radius_one(name, area):
    v, u = np.mgrid[-1.2:1.2:1200j, -1.2:1.2:1200j]
    inside = INSIDE[name](u, v)
    assert inside.mean() * 2.4**2 == pytest.approx(area, rel=0.01)
    assert not inside[np.hypot(u, v) > 1.0001].any()


def test_sizes_and_validation_parts(few):
    data = load_data(config(image_size=65, val_fraction=0.25))
    assert data.test.images.shape[2:] == (65, 65) == data.test.labels.shape[1:]
    assert (len(data.val), len(data.train)) == (5, 15)
    assert data.content != load_data(config()).content
    with pytest.raises(ConfigError, match=r"data.image_size=31: data=shapes takes 32"):
        load_data(config(image_size=31))


@pytest.mark.parametrize("policy", ["hflip", "vflip", "rot90", "standard"])
def test_classes_move_with_their_pixels(few, policy):
    """With images that show the classes themselves, both stay the same."""
    data = load_data(config(val_fraction=0.0))
    levels = (data.train.labels * 50).unsqueeze(-1).contiguous().permute(0, 3, 1, 2)
    twin = replace(data.train, images=levels)
    batches = Batches(
        twin,
        batch_size=4,
        mean=(0.0,),
        std=(1.0,),
        device="cpu",
        policy=policy,
        seed=3,
        shuffle=True,
    )
    changed = False
    for x, y in batches:
        assert y.dtype == torch.int64
        assert torch.equal((x[:, 0] * 255 / 50).round().long(), y)
        changed |= not any(torch.equal(y[0], mask.long()) for mask in data.train.labels)
    assert changed
