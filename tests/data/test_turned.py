"""Turning and shrinking: quarter turns to the bit, and what is known of the others."""

from __future__ import annotations

import math

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from torch import Tensor

from symscape.data import turned as module
from symscape.data.images import ImageSet
from symscape.data.turned import (
    scaled,
    turned,
    turned_and_scaled,
    turned_parts,
    turned_set,
    uniform,
)
from symscape.stopping import Interrupted

QUARTER = math.pi / 2


def noise(count: int, height: int, width: int, channels: int = 3) -> Tensor:
    generator = torch.Generator().manual_seed(0)
    shape = (count, channels, height, width)
    return torch.randint(256, shape, dtype=torch.uint8, generator=generator)


def blob(y: float, x: float, size: int = 32, width: float = 2.0) -> Tensor:
    """A Gaussian at (y, x) pixels from the middle, y downwards: uint8 (1, 1, size, size)."""
    at = torch.arange(size) - (size - 1) / 2
    square = (at[:, None] - y) ** 2 + (at - x) ** 2
    return (250 * (-square / (2 * width**2)).exp()).round().to(torch.uint8)[None, None]


def middle(image: Tensor) -> tuple[float, float]:
    """The centre of mass, in pixels from the middle."""
    weights = image[0, 0].double()
    at = torch.arange(len(weights)) - (len(weights) - 1) / 2
    total = float(weights.sum())
    return float((weights.sum(1) * at).sum()) / total, float((weights.sum(0) * at).sum()) / total


@settings(max_examples=40, deadline=None)
@given(size=st.integers(1, 40), quarters=st.integers(-5, 5), channels=st.sampled_from([1, 3]))
def test_quarter_turns_are_those_of_torch_to_the_bit(size, quarters, channels):
    images = noise(3, size, size, channels)
    found = turned(images, torch.full((3,), quarters * QUARTER, dtype=torch.float64))
    assert torch.equal(found, torch.rot90(images, quarters, (-2, -1)))


def test_an_angle_in_single_precision_is_good_enough_for_a_quarter_turn():
    images = noise(2, 28, 28)
    assert torch.equal(turned(images, torch.full((2,), QUARTER)), torch.rot90(images, 1, (-2, -1)))


def test_four_quarter_turns_are_none():
    images = noise(4, 24, 24)
    angles = torch.full((4,), QUARTER)
    found = images
    for _ in range(4):
        found = turned(found, angles)
    assert torch.equal(found, images)


@pytest.mark.parametrize("size", [(6, 9), (9, 6)])
def test_oblong_images_can_be_turned_half(size):
    images = noise(3, *size)
    assert torch.equal(turned(images, torch.full((3,), math.pi)), images.flip(2, 3))


@pytest.mark.parametrize("size", [(24, 40), (40, 24)])
def test_oblong_images_keep_the_shape_of_what_they_show(size):
    """The middle square of a turned oblong image is the turned middle square."""
    tall = noise(1, 40, 40)
    angle = torch.tensor([0.6])
    top, left = (40 - size[0]) // 2, (40 - size[1]) // 2
    whole = turned(tall, angle)
    part = turned(tall[:, :, top : top + size[0], left : left + size[1]], angle)
    both = slice(12, 28)
    inner = part[:, :, 12 - top : 28 - top, 12 - left : 28 - left]
    assert torch.equal(inner, whole[:, :, both, both])


@pytest.mark.parametrize("degrees", [30, 45, 100, 200, 310])
def test_what_is_on_the_right_rises_on_the_screen(degrees):
    """Counter-clockwise as seen: (y, x) = (0, 8) goes to 8 (-sin, cos)."""
    angle = math.radians(degrees)
    y, x = middle(turned(blob(0, 8), torch.tensor([angle])))
    assert (y, x) == pytest.approx((-8 * math.sin(angle), 8 * math.cos(angle)), abs=0.02)


def test_a_turned_blob_is_a_blob_elsewhere():
    angle = 0.7
    found = turned(blob(3, 5), torch.tensor([angle])).double()
    cos, sin = math.cos(angle), math.sin(angle)
    expected = blob(3 * cos - 5 * sin, 3 * sin + 5 * cos).double()
    # Interpolation alone is off by 5 levels of 250.
    assert (found - expected).abs().max() <= 6


def test_turns_there_and_back_keep_a_smooth_image():
    image, angle = blob(-4, 2, width=3.0), torch.tensor([1.1])
    assert (turned(turned(image, angle), -angle).int() - image.int()).abs().max() <= 6


@pytest.mark.parametrize("factor", [0.5, 0.8, 1.5])
def test_scaling_moves_away_from_the_middle_by_its_factor(factor):
    y, x = middle(scaled(blob(-3, 5), torch.tensor([factor])))
    assert (y, x) == pytest.approx((-3 * factor, 5 * factor), abs=0.03)
    area = scaled(blob(0, 0), torch.tensor([factor])).double().sum()
    assert area / blob(0, 0).double().sum() == pytest.approx(factor**2, rel=0.02)


def test_the_factor_one_and_the_angle_zero_leave_images_alone():
    images = noise(3, 13, 17)
    assert torch.equal(scaled(images, torch.ones(3)), images)
    assert torch.equal(turned(images, torch.zeros(3)), images)


def test_both_at_once_is_one_after_the_other():
    angle, factor = torch.tensor([0.9]), torch.tensor([0.7])
    once = turned_and_scaled(blob(2, 6), angle, factor).int()
    twice = scaled(turned(blob(2, 6), angle), factor).int()
    assert (once - twice).abs().max() < 8
    assert once.max() > 200


def test_beyond_the_frame_it_is_black():
    white = torch.full((1, 1, 20, 20), 255, dtype=torch.uint8)
    corners = turned(white, torch.tensor([math.pi / 4]))[0, 0][[0, 0, -1, -1], [0, -1, 0, -1]]
    assert corners.tolist() == [0, 0, 0, 0]
    shrunk = scaled(white, torch.tensor([0.5]))[0, 0]
    assert not shrunk[:3].any()
    assert (shrunk[8:12, 8:12] == 255).all()


def test_what_a_cubic_overshoots_is_clamped():
    """A white square on black: unclamped levels would wrap around."""
    image = torch.zeros(1, 1, 20, 20, dtype=torch.uint8)
    image[..., 6:14, 6:14] = 255
    found = turned(image, torch.tensor([0.4]))[0, 0]
    assert (found[9:11, 9:11] >= 250).all()
    assert (found[:3] <= 5).all()


@pytest.mark.parametrize("size", [8, 12, 24, 28, 30])
def test_halves_are_rounded_up(size):
    """At quarters of a pixel a cubic weighs (-27, 225, 67, -9) / 256: here 112.5 and 33.5."""
    image = torch.zeros(1, 1, size, size, dtype=torch.uint8)
    image[..., size // 2] = 128
    row = scaled(image, torch.tensor([2.0]))[0, 0, size // 2]
    assert row[row > 0].tolist() == [34, 113, 113, 34]


def test_neither_blocks_nor_threads_nor_layout_leave_a_trace(monkeypatch):
    images, angles = noise(9, 12, 12), torch.linspace(0, 6, 9)
    whole, threads = turned(images, angles), torch.get_num_threads()
    monkeypatch.setattr(module, "BLOCK", 2 * 3 * 12**2)
    interleaved = images.contiguous(memory_format=torch.channels_last)
    try:
        torch.set_num_threads(3 - min(threads, 2))
        assert torch.equal(turned(interleaved, angles), whole)
    finally:
        torch.set_num_threads(threads)


def test_images_come_in_the_memory_order_of_decoders():
    found = turned(noise(5, 8, 8), torch.rand(5))
    assert found.dtype == torch.uint8
    assert found.permute(0, 2, 3, 1).is_contiguous()


def test_no_images_are_none():
    assert turned(noise(0, 8, 8), torch.zeros(0)).shape == (0, 3, 8, 8)


def test_a_signal_ends_it_between_blocks(monkeypatch):
    calls: list[int] = []

    def signalled() -> None:
        calls.append(1)
        if len(calls) == 2:
            raise Interrupted("SIGTERM")

    monkeypatch.setattr(module, "BLOCK", 1)
    monkeypatch.setattr(module, "safe_point", signalled)
    with pytest.raises(Interrupted):
        turned(noise(5, 8, 8), torch.zeros(5))
    assert len(calls) == 2


def test_angles_are_pinned():
    # A change would make every run on turned images irreproducible.
    assert uniform(module.ANGLE_SEEDS["train"], 0, 1, 2).tolist() == [
        0.5842175166734692,
        0.9245920357398716,
    ]
    assert uniform(module.ANGLE_SEEDS["test"], 0, 1, 2).tolist() == [
        0.5985141204129119,
        0.4209092670330633,
    ]


def test_angles_cover_the_circle_evenly():
    angles = uniform(module.ANGLE_SEEDS["train"], 0, 2 * math.pi, 40_000)
    counts = torch.histc(angles, 8, 0, 2 * math.pi)
    # 5 standard deviations of a binomial count
    assert (counts - 5000).abs().max() < 5 * 5000**0.5


def test_the_test_part_is_the_same_whatever_happens_to_the_training_part():
    train, test = (ImageSet(noise(n, 8, 8), torch.arange(n)) for n in (7, 5))
    both, only = turned_parts(train, test, "both"), turned_parts(train, test, "test")
    assert only[0] is train
    assert torch.equal(only[1].images, both[1].images)
    assert not torch.equal(both[0].images, train.images)
    assert torch.equal(both[0].labels, train.labels)


def test_parts_are_turned_by_different_angles():
    images = ImageSet(blob(0, 8).repeat(6, 1, 1, 1), torch.arange(6))
    one, two = turned_set(images, "train").images, turned_set(images, "test").images
    assert not any(torch.equal(a, b) for a in one for b in two)
