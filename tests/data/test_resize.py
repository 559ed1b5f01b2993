"""Resizing: the filter of Pillow and torch, but the same bits on every machine."""

from __future__ import annotations

import numpy as np
import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st
from PIL import Image
from torch.nn.functional import interpolate

from symscape.data import resize as module
from symscape.data.images import ImageSet, channels_last
from symscape.data.resize import resize, resized, triangle
from symscape.errors import ConfigError

SIZES = [1, 2, 5, 8, 16, 24, 31, 33, 48, 64, 100]


def noise(count: int = 6, height: int = 32, width: int = 32, channels: int = 3) -> ImageSet:
    generator = torch.Generator().manual_seed(0)
    shape = (count, height, width, channels)
    pixels = torch.randint(256, shape, dtype=torch.uint8, generator=generator)
    return channels_last(pixels, torch.arange(count))


@pytest.mark.parametrize("size", SIZES)
@pytest.mark.parametrize("shape", [(32, 32), (20, 45)])
def test_it_is_the_bilinear_antialiased_filter_rounded_once(size, shape):
    images = noise(4, *shape).images
    exact = interpolate(images.double(), size=(size, size), mode="bilinear", antialias=True)
    assert (resize(images, size) - exact).abs().max() <= 0.5 + 1e-9


@pytest.mark.parametrize("size", SIZES)
def test_pillow_which_rounds_twice_is_a_level_away_at_most(size):
    images = noise(4)
    for image, found in zip(images.images, resized(images, size).images, strict=True):
        picture = Image.fromarray(image.permute(1, 2, 0).numpy())
        wanted = np.asarray(picture.resize((size, size), Image.Resampling.BILINEAR), dtype=int)
        assert abs(found.permute(1, 2, 0).numpy() - wanted).max() <= 1


def test_halving_weighs_four_pixels():
    weights, sums = triangle(8, 4)
    assert (8 * weights / sums[:, None])[1].tolist() == [0, 1, 3, 3, 1, 0, 0, 0]


def test_doubling_weighs_two_pixels_and_none_beyond_the_edge():
    weights, sums = triangle(3, 6)
    assert (4 * weights / sums[:, None])[:3].tolist() == [[4, 0, 0], [3, 1, 0], [1, 3, 0]]


def test_a_half_is_rounded_up():
    pair = torch.tensor([[0, 1], [0, 1]], dtype=torch.uint8).view(1, 1, 2, 2)
    assert resize(pair, 1).item() == 1


@given(before=st.integers(1, 12), after=st.integers(1, 12), level=st.integers(0, 255))
def test_a_level_stays_that_level(before, after, level):
    grey = torch.full((1, 1, before, before), level, dtype=torch.uint8)
    assert (resize(grey, after) == level).all()


@given(height=st.integers(1, 12), width=st.integers(1, 12), size=st.integers(1, 12))
def test_flips_and_transposition_commute_with_it_to_the_bit(height, width, size):
    images = noise(2, height, width).images
    assert torch.equal(resize(images.flip(2), size), resize(images, size).flip(2))
    assert torch.equal(resize(images.flip(3), size), resize(images, size).flip(3))
    assert torch.equal(resize(images.mT, size), resize(images, size).mT)


@pytest.mark.parametrize("size", [7, 33])
def test_neither_blocks_nor_threads_leave_a_trace(size, monkeypatch):
    images, threads = noise(9), torch.get_num_threads()
    whole = resized(images, size).images
    monkeypatch.setattr(module, "BLOCK", 2 * 3 * max(size, 32) ** 2)
    try:
        torch.set_num_threads(3 - min(threads, 2))
        assert torch.equal(resized(images, size).images, whole)
    finally:
        torch.set_num_threads(threads)


def test_the_size_that_they_have_leaves_images_alone():
    images = noise()
    assert resized(images, 32) is images


def test_images_keep_their_labels_and_the_order_of_their_memory():
    images = noise(5)
    small = resized(images, 8)
    assert small.labels.tolist() == images.labels.tolist()
    assert small.images.shape == (5, 3, 8, 8)
    assert small.images.permute(0, 2, 3, 1).is_contiguous()


def test_an_empty_set_stays_empty():
    assert resized(noise(0), 8).images.shape == (0, 3, 8, 8)


def test_more_pixels_than_memory_is_one_line(monkeypatch):
    monkeypatch.setattr(module, "physical_memory", lambda: 10**9)
    line = (
        r"data.image_size=9000: 6 images of this size are 1.5 GB, this machine has 1.0 GB of memory"
    )
    with pytest.raises(ConfigError, match=line):
        resized(noise(), 9000)
