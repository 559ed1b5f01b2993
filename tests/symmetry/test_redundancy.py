"""How much of a group kernel is one pattern repeated."""

import math

import pytest
import torch

from symscape.layers.lie.conv import GroupConv2d
from symscape.layers.lie.kernel import KernelSpec, Window
from symscape.symmetry.plane import PlaneGrid
from symscape.symmetry.redundancy import leading_share, redundancy

GRID = PlaneGrid(rotations=8)
ALL = [("pair", False), ("pair", True), ("stacked", False), ("stacked", True)]


def kernel_of(name: str, omega: float = 5.0, seed: int = 0, channels: int = 6) -> torch.Tensor:
    conv = GroupConv2d(GRID, KernelSpec(name, 64, 1, omega, omega), channels, channels, 7)
    conv.kernel.draw(torch.Generator().manual_seed(seed))
    return conv.weight.detach()


def noise(*shape: int) -> torch.Tensor:
    return torch.randn(*shape, generator=torch.Generator().manual_seed(0))


def test_of_a_diagonal_matrix_it_is_the_largest_square():
    matrix = torch.diag(torch.tensor([3.0, 2.0, 1.0]))
    assert leading_share(matrix).item() == pytest.approx(9 / 14)
    # Without the mean row (1, 2/3, 1/3): singular values of C D, C = I - 1/3.
    centred = matrix - matrix.mean(0)
    squares = torch.linalg.svdvals(centred.double()).square()
    assert leading_share(matrix, centred=True).item() == pytest.approx(
        (squares[0] / squares.sum()).item()
    )


@pytest.mark.parametrize("shape", [(4, 9), (9, 4), (2, 3, 5, 5)])
def test_it_is_what_the_singular_values_say(shape):
    matrices = noise(*shape).double()
    squares = torch.linalg.svdvals(matrices).square()
    expected = squares[..., 0] / squares.sum(-1)
    assert torch.allclose(leading_share(matrices), expected, rtol=1e-12)


def test_scale_and_the_order_of_rows_do_not_matter():
    matrix = noise(6, 20)
    for centred in (False, True):
        share = leading_share(matrix, centred=centred)
        moved = leading_share(-1e-9 * matrix[[3, 1, 5, 0, 2, 4]], centred=centred)
        assert torch.allclose(share, moved)


def test_what_has_nothing_to_share_has_no_value():
    assert math.isnan(leading_share(torch.zeros(3, 4)).item())
    equal = torch.full((3, 1), 0.1) * noise(1, 4)
    assert leading_share(equal).item() == pytest.approx(1)
    assert math.isnan(leading_share(equal, centred=True).item())
    rounded = equal.double() * (1 + 1e-8 * noise(3, 4).double())
    assert math.isnan(leading_share(rounded, centred=True).item())


def test_separable_kernels_are_one_pattern():
    found = redundancy(kernel_of("separable"), 8, 8)
    assert [found[key] for key in ALL] == pytest.approx([1, 1, 1, 1], abs=1e-6)


def test_gseparable_ones_are_one_pattern_a_pair_of_channels():
    found = redundancy(kernel_of("gseparable"), 8, 8)
    assert [found["pair", c] for c in (False, True)] == pytest.approx([1, 1], abs=1e-6)
    assert max(found["stacked", c] for c in (False, True)) < 0.9


def test_smooth_kernels_are_redundant_before_they_learn():
    """The rougher, the less: means over seeds of kernels that nobody trained."""
    means = {}
    for omega in (3.0, 5.0, 10.0):
        drawn = [redundancy(kernel_of("nonseparable", omega, seed), 8, 8) for seed in range(6)]
        means[omega] = sum(found["pair", False] for found in drawn) / len(drawn)
    assert means == pytest.approx({3.0: 0.95, 5.0: 0.90, 10.0: 0.74}, abs=0.025)


def test_noise_has_what_its_taps_leave():
    white = noise(16 * 8, 16 * 8, 7, 7)
    assert redundancy(white, 8, 8)["pair", False] == pytest.approx(0.217, abs=0.005)
    mask = Window(GRID, 7).weight[0].view(7, 7)
    assert redundancy(white * mask, 8, 8)["pair", False] == pytest.approx(0.33, abs=0.01)


def test_the_first_element_of_the_output_stands_for_all():
    kernel = kernel_of("nonseparable", channels=2)
    changed = kernel.clone(memory_format=torch.contiguous_format)
    changed.view(2, 8, -1)[:, 1:] = 0
    assert redundancy(changed, 8, 8) == redundancy(kernel, 8, 8)
    changed.view(2, 8, -1)[0, 0, 3] += 1
    assert redundancy(changed, 8, 8) != redundancy(kernel, 8, 8)


def test_rows_of_a_pair_are_the_elements_of_one_input():
    """Input 0 has one pattern at all elements, input 1 noise: the mean of 1 and noise's."""
    kernel = noise(8, 2, 8, 7, 7)
    kernel[:, 0] = noise(8, 8, 1, 1) * noise(7, 7)
    shares = [leading_share(kernel[0, i].flatten(1)).item() for i in (0, 1)]
    assert shares[0] == pytest.approx(1) and shares[1] < 0.3
    found = redundancy(kernel.flatten(1, 2), 8, 8)
    assert found["pair", False] == pytest.approx(sum(shares) / 2)
