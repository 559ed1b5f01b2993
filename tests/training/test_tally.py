"""The mean over an epoch weighs its batches by their images."""

import torch
from pytest import approx

from symscape.training.module import Tally


def test_batches_count_by_their_images():
    tally = Tally()
    assert tally.read() is None
    for loss, right, count in ((0.5, 6, 7), (0.0, 0, 0), (0.25, 1, 2)):
        labels = torch.zeros(count, dtype=torch.long)
        logits = torch.zeros(count, 3)
        logits[:right, 0] = logits[right:, 1] = 1
        tally.update(torch.tensor(loss), logits, labels)
    assert tally.read() == (approx((0.5 * 7 + 0.25 * 2) / 9, rel=1e-12), approx(7 / 9, rel=1e-12))
    assert tally.read() is None
