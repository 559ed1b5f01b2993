"""Whole-batch augmentation equals the usual transforms, image by image."""

from __future__ import annotations

import pytest
import torch
import torchvision.transforms.functional as reference
from hypothesis import given, settings
from hypothesis import strategies as st
from torch import Tensor

from symscape.data.augment import POLICIES, Augmentation, apply, check_policy, draw
from symscape.errors import ConfigError

MEAN, STD = (0.49, 0.48, 0.45), (0.25, 0.24, 0.26)


def batch(count: int, channels: int, height: int, width: int) -> Tensor:
    generator = torch.Generator().manual_seed(count)
    shape = (count, channels, height, width)
    return torch.randint(256, shape, dtype=torch.uint8, generator=generator)


def moved(images: Tensor, augmentation: Augmentation) -> Tensor:
    channels = images.shape[1]
    out = apply(images, augmentation, (0.0,) * channels, (1 / 255,) * channels, torch.float64)
    return out.round().to(torch.uint8)


def one_by_one(images: Tensor, augmentation: Augmentation) -> Tensor:
    """The same moves with torchvision's functions, an image at a time."""
    height, width = images.shape[2:]
    result = []
    for image, move in zip(images, augmentation.moves.T.tolist(), strict=True):
        swap, vflip, hflip, top, left = move
        if augmentation.policy.padding:
            image = reference.pad(image, [augmentation.policy.padding])
            image = reference.crop(image, top, left, height, width)
        if augmentation.policy.quarters:
            turns = {(0, 0, 0): 0, (1, 1, 0): 1, (0, 1, 1): 2, (1, 0, 1): 3}[swap, vflip, hflip]
            image = reference.rotate(image, 90.0 * turns)
        else:
            image = reference.vflip(image) if vflip else image
            image = reference.hflip(image) if hflip else image
        result.append(image)
    return torch.stack(result)


@settings(max_examples=60, deadline=None)
@given(
    policy=st.sampled_from(sorted(POLICIES)),
    count=st.integers(1, 9),
    channels=st.sampled_from([1, 3]),
    size=st.tuples(st.integers(1, 12), st.integers(1, 12)),
    seed=st.integers(0, 2**32),
)
def test_every_policy_moves_pixels_as_torchvision_does(policy, count, channels, size, seed):
    height, width = (size[0], size[0]) if policy == "rot90" else size
    images = batch(count, channels, height, width)
    augmentation = draw(policy, count, torch.Generator().manual_seed(seed))
    assert torch.equal(moved(images, augmentation), one_by_one(images, augmentation))


@pytest.mark.parametrize("policy", POLICIES)
def test_normalised_values_are_those_of_torchvision(policy):
    images = batch(64, 3, 32, 32)
    augmentation = draw(policy, 64, torch.Generator().manual_seed(1))
    pixels = one_by_one(images, augmentation).double() / 255
    expected = reference.normalize(pixels, MEAN, STD)
    for dtype, tolerance in ((torch.float64, 1e-14), (torch.float32, 1e-6), (torch.bfloat16, 1e-2)):
        out = apply(images, augmentation, MEAN, STD, dtype)
        assert out.dtype == dtype
        torch.testing.assert_close(out.double(), expected, atol=tolerance, rtol=tolerance)


@pytest.mark.parametrize("policy", POLICIES)
@pytest.mark.parametrize("channels", [1, 3])
def test_batches_come_in_channels_last_memory_whatever_the_memory_of_the_images(policy, channels):
    planar = batch(4, channels, 8, 8)
    interleaved = planar.contiguous(memory_format=torch.channels_last)
    augmentation = draw(policy, 4, torch.Generator().manual_seed(0))
    one, two = moved(planar, augmentation), moved(interleaved, augmentation)
    assert torch.equal(one, two)
    assert two.is_contiguous(memory_format=torch.channels_last)


def test_images_are_left_as_they_were():
    images = batch(8, 3, 8, 8).contiguous(memory_format=torch.channels_last)
    before = images.clone()
    for policy in POLICIES:
        apply(images, draw(policy, 8), MEAN, STD)
    assert torch.equal(images, before)


def test_padding_is_black_before_normalisation():
    white = torch.full((1, 3, 4, 4), 255, dtype=torch.uint8)
    corner = Augmentation(POLICIES["standard"], torch.zeros(5, 1, dtype=torch.int64))
    out = apply(white, corner, MEAN, STD)
    black = -torch.tensor(MEAN) / torch.tensor(STD)
    torch.testing.assert_close(out, black.view(1, 3, 1, 1).expand(1, 3, 4, 4))


@pytest.mark.parametrize(
    ("policy", "outcomes"), [("hflip", 2), ("vflip", 2), ("hvflip", 4), ("rot90", 4)]
)
def test_outcomes_of_a_policy_are_equally_likely(policy, outcomes):
    moves = draw(policy, 40_000, torch.Generator().manual_seed(0)).moves
    counts = moves.unique(dim=1, return_counts=True)[1]
    assert len(counts) == outcomes
    # 5 standard deviations of a binomial count
    assert (counts - 40_000 / outcomes).abs().max() < 5 * (40_000 / outcomes) ** 0.5


def test_standard_crops_all_81_windows_equally_often_and_flips_half():
    moves = draw("standard", 81_000, torch.Generator().manual_seed(0)).moves
    counts = moves[3:].unique(dim=1, return_counts=True)[1]
    assert len(counts) == 81
    assert (counts - 1000).abs().max() < 5 * 1000**0.5
    assert abs(moves[2].double().mean() - 0.5) < 0.01
    assert not moves[:2].any()


def test_quarter_turns_are_those_of_torch():
    images = batch(100, 3, 5, 5)
    augmentation = draw("rot90", 100, torch.Generator().manual_seed(0))
    out = moved(images, augmentation)
    turns = [
        next(k for k in range(4) if torch.equal(after, torch.rot90(before, k, (1, 2))))
        for before, after in zip(images, out, strict=True)
    ]
    assert set(turns) == {0, 1, 2, 3}


def test_none_draws_nothing_from_the_stream():
    generator = torch.Generator().manual_seed(3)
    before = generator.get_state()
    assert not draw("none", 7, generator).moves.any()
    assert torch.equal(generator.get_state(), before)


def test_quarter_turns_need_square_images():
    line = "data.augment=rot90: needs square images, these are 6x8"
    with pytest.raises(ConfigError, match=line):
        check_policy("rot90", 6, 8)
    with pytest.raises(ConfigError, match=line):
        apply(batch(2, 3, 6, 8), draw("rot90", 2), MEAN, STD)


def test_an_unknown_policy_is_named_with_the_nearest():
    with pytest.raises(ConfigError, match=r"data.augment=hflp: did you mean 'hflip'"):
        check_policy("hflp", 8, 8)
