"""Consistency of pixels: moved back before they are compared, counted by hand."""

import pytest
import torch
from torch.nn import functional
from torchmetrics.functional.classification import multiclass_jaccard_index

from symscape.audit.consistency import cohen_kappa
from symscape.audit.segmentation import confusion, mean_iou, measure_dense_consistency
from symscape.errors import SymscapeError


def pixelwise(images):
    """Looks at each pixel by itself: consistent under everything."""
    return torch.cat([images, -images, 0 * images + 0.2], 1)


def leaning(images):
    """Looks at the pixel to the left: consistent when moved down, not when flipped."""
    return pixelwise(functional.pad(images, (1, 0, 0, 0))[..., :-1])


@pytest.fixture
def batch():
    torch.manual_seed(0)
    images = torch.randn(3, 1, 20, 20)
    return images, pixelwise(images).argmax(1)


def test_a_pixel_by_itself_is_consistent(batch):
    found = measure_dense_consistency(pixelwise, [batch], shifts=2)
    assert set(found.views) == {"hflip", "vflip", "rot90", "rot180", "rot270", "shift", "roll"}
    for view in found.views.values():
        assert view.agreement.mean == view.border.mean == view.accuracy.mean == view.miou == 1
        assert view.variation.mean == pytest.approx(0, abs=1e-7) and view.kappa == 1
    assert found.accuracy.mean == found.miou == 1 and found.images == 3


def test_a_pixel_to_the_left_counted_by_hand(batch):
    images, labels = batch
    found = measure_dense_consistency(leaning, [batch], shifts=1)
    plain = leaning(images).argmax(1)
    back = leaning(images.flip(-1)).argmax(1).flip(-1)
    same = (back == plain).double()
    assert found.views["hflip"].agreement.values == pytest.approx(same.mean((1, 2)).tolist())
    near = torch.ones(20, 20)
    near[8:12, 8:12] = 0
    border = (same * near).sum((1, 2)) / near.sum()
    assert found.views["hflip"].border.values == pytest.approx(border.tolist())
    counts = confusion(plain, labels, 3)
    assert found.miou == pytest.approx(mean_iou(counts))
    assert found.views["hflip"].kappa == pytest.approx(cohen_kappa(back, plain), abs=1e-6)
    assert found.views["vflip"].agreement.mean == 1


def test_shifts_are_moved_back_and_compared_where_both_show(batch):
    images, _ = batch
    found = measure_dense_consistency(leaning, [batch], shifts=1)
    plain, shares, rolls = leaning(images).argmax(1), [], []
    for dy in (-1, 0, 1):
        for dx in (-1, 0, 1):
            if not (dy or dx):
                continue
            padded = functional.pad(images, (1, 1, 1, 1), mode="reflect")
            view = padded[..., 1 - dy : 21 - dy, 1 - dx : 21 - dx]
            moved = leaning(view).argmax(1)
            rows = slice(max(0, -dy), 20 - max(0, dy)), slice(max(0, -dx), 20 - max(0, dx))
            there = slice(max(0, dy), 20 + min(0, dy)), slice(max(0, dx), 20 + min(0, dx))
            shares.append((moved[:, *there] == plain[:, *rows]).double().flatten(1).mean(1))
            rolled = leaning(images.roll((dy, dx), (-2, -1))).argmax(1).roll((-dy, -dx), (-2, -1))
            rolls.append((rolled == plain).double().flatten(1).mean(1))
    expected = torch.stack(shares).mean(0).tolist()
    assert found.views["shift"].agreement.values == pytest.approx(expected)
    assert found.views["roll"].agreement.values == pytest.approx(
        torch.stack(rolls).mean(0).tolist()
    )


def test_batches_of_several_sizes_are_joined(batch):
    images, labels = batch
    whole = measure_dense_consistency(leaning, [batch], shifts=1)
    parts = [(images[:2], labels[:2]), (images[2:], labels[2:])]
    joined = measure_dense_consistency(leaning, parts, shifts=1)
    assert joined.views["rot90"].agreement.values == whole.views["rot90"].agreement.values
    assert joined.views["rot90"].miou == whole.views["rot90"].miou


def test_against_torchmetrics():
    answers, truth = torch.randint(4, (2, 500)), torch.randint(4, (2, 500))
    counts = confusion(answers, truth, 4)
    iou = multiclass_jaccard_index(answers.flatten(), truth.flatten(), 4)
    assert mean_iou(counts) == pytest.approx(iou.item(), rel=1e-5)


def test_what_is_not_a_map_of_classes(batch):
    with pytest.raises(SymscapeError, match="answers of shape 3x1x20x20"):
        measure_dense_consistency(lambda x: x, [batch])
    with pytest.raises(SymscapeError, match="no image"):
        measure_dense_consistency(pixelwise, [])
