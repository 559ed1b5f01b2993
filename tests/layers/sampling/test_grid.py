"""Grids of strided blocks: what is drawn, and what a drawn grid computes."""

import pytest
import torch
from torch import nn
from torch.nn import functional

from symscape.config.groups import SymmetryConfig
from symscape.config.network.model import ModelConfig
from symscape.layers.effective import effective_network
from symscape.layers.factory import ConvFactory
from symscape.layers.sampling.grid import Grid, StridedSlices, draw_grids, grids_of
from symscape.layers.sampling.padding import PaddedConv2d
from symscape.models.build import build_network
from symscape.symmetry.groups import Symmetry

FIRST, LAST = (0.0, 0.0), (0.999, 0.999)


def convolution(mode="zeros", symmetry="vanilla", stride=2):
    grid = Grid()
    conv = ConvFactory(Symmetry(symmetry), padding=mode)(2, 3, (3, 3), stride=stride, grid=grid)
    for parameter in conv.parameters():
        nn.init.normal_(parameter)
    return conv.double(), grid


@pytest.mark.parametrize("mode", ["zeros", "reflect", "circular", "replicate", "partial"])
@pytest.mark.parametrize("size", [(8, 8), (9, 8), (9, 9)])
def test_the_last_grid_is_the_first_one_seen_in_a_mirror(size, mode):
    conv, grid = convolution(mode)
    x = torch.randn(2, 2, *size, dtype=torch.float64)
    grid.draw = LAST
    last = conv(x)
    grid.draw = FIRST
    first = conv(x)
    with torch.no_grad():
        conv.weight.copy_(conv.weight.flip(-2, -1))
    grid.draw = LAST
    assert torch.allclose(conv(x.flip(-2, -1)), first.flip(-2, -1), rtol=0, atol=1e-13)
    assert torch.allclose(last, first) == (size == (9, 9))  # Odd maps have one grid.


@pytest.mark.parametrize("compute", ["direct", "fold"])
def test_the_first_grid_is_pytorch_s_and_the_mean_of_all_a_pooled_convolution(compute):
    conv, grid = convolution(symmetry="hvflip")
    conv.compute = compute
    x = torch.randn(2, 2, 8, 8, dtype=torch.float64)
    plain = conv.weight
    assert torch.allclose(conv(x), functional.conv2d(x, plain, stride=2, padding=1))
    ys = []
    for rows in (0.0, 0.5):
        for columns in (0.0, 0.5):
            grid.draw = (rows, columns)
            ys.append(conv(x))
    mean = functional.avg_pool2d(functional.conv2d(x, plain, padding=1), 2)
    assert torch.allclose(torch.stack(ys).mean(0), mean, rtol=0, atol=1e-13)
    conv.eval()
    assert torch.allclose(conv(x), functional.conv2d(x, plain, stride=2, padding=1))


def test_slices_take_the_grid_of_their_block():
    slices, x = StridedSlices(2, Grid()), torch.arange(16.0).view(1, 1, 4, 4)
    slices.grid.draw = (0.0, 0.7)
    assert slices(x).flatten().tolist() == [1, 3, 9, 11]
    assert slices.eval()(x).flatten().tolist() == [0, 2, 8, 10]


@pytest.mark.parametrize("shortcut", ["conv", "pad"])
def test_a_network_s_branches_share_their_block_s_grid(shortcut):
    model = ModelConfig("resnet20", width=4, downsample="sbpool", shortcut=shortcut)
    network = build_network(model, SymmetryConfig("rot90"), in_channels=3, classes=5, seed=0)
    effective = effective_network(network)
    for each in (network, effective):
        assert len(grids_of(each)) == 2  # One a strided block.
    assert not set(grids_of(network)) & set(grids_of(effective))
    x = torch.randn(4, 3, 16, 16)
    draw_grids(grids_of(network), 1, 7)
    draw_grids(grids_of(effective), 1, 7)
    assert torch.allclose(network(x), effective(x), atol=1e-5)
    plain = build_network(
        ModelConfig("resnet20", width=4, shortcut=shortcut),
        SymmetryConfig("rot90"),
        in_channels=3,
        classes=5,
        seed=0,
    )
    assert plain.state_dict().keys() == network.state_dict().keys()
    plain.load_state_dict(network.state_dict())
    assert torch.equal(network.eval()(x), plain.eval()(x))


def test_draws_depend_on_the_seed_and_the_step_alone():
    def drawn(seed, step):
        grids = [Grid() for _ in range(3)]
        draw_grids(grids, seed, step)
        return [grid.draw for grid in grids]

    assert drawn(0, 5) == drawn(0, 5)
    assert len({tuple(drawn(seed, step)) for seed in (0, 1) for step in range(50)}) == 100
    starts = [Grid() for _ in range(2000)]
    draw_grids(starts, 0, 0)
    mean = sum(grid.starts((1, 2))[1] for grid in starts) / 2000
    assert mean == pytest.approx(1, abs=0.06)  # Uniform on 0, 1, 2: 3 standard errors.


def test_a_padded_convolution_without_grid_trains_as_it_evaluates():
    conv = PaddedConv2d(2, 2, 3, stride=2, padding=1, mode="partial")
    x = torch.randn(1, 2, 8, 8)
    assert torch.equal(conv(x), conv.eval()(x))
