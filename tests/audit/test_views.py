"""Images flipped, turned and moved: against loops over pixels."""

import pytest
import torch

from symscape.audit.consistency import (
    measure_consistency,
)
from symscape.audit.views import EDGES, families, moved, moves, turned, turns
from symscape.symmetry.consistency import TRANSFORMS
from tests.audit.answers import by_loops, corner_sign, images, two_logits


@pytest.mark.parametrize("edge", EDGES.values())
def test_moves_are_those_of_loops_over_pixels(edge):
    x = images(2, height=4, width=5)
    found = list(moved(x, 3, edge))
    expected = list(by_loops(x, 3, edge))
    assert len(found) == len(expected) == 48
    assert all(torch.equal(a, b) for a, b in zip(found, expected, strict=True))


def test_a_roll_is_that_of_torch():
    x = images()
    for (dy, dx), view in zip(moves(2), moved(x, 2, "circular"), strict=True):
        assert torch.equal(view, x.roll((dy, dx), (-2, -1)))


def test_a_crop_moves_what_stays_in_sight_and_mirrors_the_rest():
    x = images()
    views = dict(zip(moves(2), moved(x, 2, "reflect"), strict=True))
    assert torch.equal(views[2, -1][..., 2:, :-1], x[..., :-2, 1:])
    assert torch.equal(views[2, -1][..., 0, :-1], x[..., 2, 1:])


@pytest.mark.parametrize("channels", [1, 3])
def test_every_view_is_packed_channels_last(channels):
    x = images(2, channels).float()
    for _, views in families(x, 1):
        assert all(v.is_contiguous(memory_format=torch.channels_last) for v in views)


def test_oblong_images_have_no_quarter_turns():
    assert turns(images(1, height=8, width=6)) == ("hflip", "vflip", "rot180")
    assert turns(images(1)) == TRANSFORMS
    found = measure_consistency(two_logits(corner_sign), [(images(3, height=8, width=6), None)])
    assert set(found.views) == {"hflip", "vflip", "rot180", "shift", "roll"}


def test_a_turn_of_a_view_is_that_of_the_elements():
    x = images(2)
    assert torch.equal(turned(x, "rot90")[..., 0, 0], x[..., 0, -1])
