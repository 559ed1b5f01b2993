"""The change of a network's output under flips and quarter turns."""

import pytest
import torch
from torch import nn

from symscape.symmetry.consistency import TRANSFORMS, output_change


class Taps(nn.Module):
    """Reads fixed pixels as logits."""

    def __init__(self, *pixels: tuple[int, int]) -> None:
        super().__init__()
        self.pixels = pixels

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        return torch.stack([x[:, 0, i, j] for i, j in self.pixels], 1)


def images() -> torch.Tensor:
    return torch.randn(6, 1, 3, 3, generator=torch.Generator().manual_seed(0))


def test_an_invariant_network_does_not_change():
    changes = output_change(lambda x: x.sum((2, 3)), [images()])
    assert set(changes) == set(TRANSFORMS)
    assert all(value < 1e-6 for value in changes.values())


def test_the_change_of_a_corner_is_the_distance_to_its_image():
    x = images().double()
    changes = output_change(Taps((0, 0)), [x[:4], x[4:]])
    corner = x[:, 0, 0, 0]
    for name, (i, j) in {
        "hflip": (0, 2),
        "vflip": (2, 0),
        "rot180": (2, 2),
        "rot90": (0, 2),
    }.items():
        expected = ((x[:, 0, i, j] - corner).norm() / corner.norm()).item()
        assert changes[name] == pytest.approx(expected)


def test_a_flip_of_a_pair_that_swaps_shows_only_under_this_flip():
    changes = output_change(lambda x: x[:, 0, :, 0] + x[:, 0, :, 2], [images()])
    assert changes["hflip"] < 1e-6 < changes["vflip"]


def test_images_that_are_not_square_have_no_quarter_turns():
    changes = output_change(lambda x: x.sum((2, 3)), [torch.ones(2, 1, 3, 5)])
    assert set(changes) == {"hflip", "vflip", "rot180"}


def test_the_doors_allow_the_transforms_that_there_are():
    from symscape.config.interpolate import TRANSFORMS as ALLOWED

    assert ALLOWED == TRANSFORMS
