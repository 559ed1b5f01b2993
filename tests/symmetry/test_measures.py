"""The exact values, invariances and null distributions of the measure S."""

import math

import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st
from torch import nn

from symscape.layers.factory import ConvFactory, initialise
from symscape.symmetry.groups import ELEMENTS, GROUP_ELEMENTS, Symmetry
from symscape.symmetry.measures import (
    MEASURES,
    layer_null,
    mean_over_layers,
    measure_network,
    null_band,
    symmetry_score,
)

TOTAL = MEASURES["total"]
EXACT = {
    "constant": ([[1, 1, 1], [1, 1, 1], [1, 1, 1]], 1.0),
    "centre": ([[0, 0, 0], [0, 1, 0], [0, 0, 0]], 1.0),
    "laplacian": ([[0, 1, 0], [1, -4, 1], [0, 1, 0]], 1.0),
    "sobel_x": ([[-1, 0, 1], [-2, 0, 2], [-1, 0, 1]], 1 - (4 + 4 * 2**0.5) / 14),
    "edge_tap": ([[0, 1, 0], [0, 0, 0], [0, 0, 0]], 0.3939085),
    "corner_tap": ([[0, 0, 1], [0, 0, 0], [0, 0, 0]], 0.3939085),
    "edges": ([[0, 1, 0], [-1, 0, -1], [0, 1, 0]], 0.4285714),
    "counting": ([[1, 2, 3], [4, 5, 6], [7, 8, 9]], 0.6709021),
}
FLOOR = 0.24407


def draw(seed: int, *shape: int) -> torch.Tensor:
    return torch.randn(shape, generator=torch.Generator().manual_seed(seed), dtype=torch.float64)


def by_definition(kernel: torch.Tensor, elements: tuple[str, ...]) -> float:
    kernel = kernel.double() / kernel.double().norm()
    return 1 - sum((ELEMENTS[e](kernel) - kernel).norm().item() for e in elements) / (
        2 * len(elements)
    )


@pytest.mark.parametrize("name", EXACT)
def test_exact_values(name):
    kernel, value = EXACT[name]
    assert symmetry_score(torch.tensor(kernel).float(), TOTAL) == pytest.approx(value, abs=1e-7)


@pytest.mark.parametrize("group", MEASURES)
@pytest.mark.parametrize("shape", [(3, 3), (5, 4, 3, 3), (2, 6, 5, 5)])
def test_score_is_the_definition(group, shape):
    kernel = draw(0, *shape)
    expected = by_definition(kernel, MEASURES[group])
    assert symmetry_score(kernel, MEASURES[group]) == pytest.approx(expected, abs=1e-12)


@given(st.integers(0, 1000), st.floats(1e-30, 1e30), st.sampled_from(list(ELEMENTS)))
def test_score_ignores_scale_sign_and_the_square_s_symmetries(seed, scale, element):
    kernel = draw(seed, 4, 3, 3, 3)
    expected = symmetry_score(kernel, TOTAL)
    assert symmetry_score(-scale * ELEMENTS[element](kernel), TOTAL) == pytest.approx(expected)
    assert FLOOR - 1e-4 <= expected <= 1


def test_the_floor_is_reached():
    """Kernels that each element turns into their opposite or moves far: the least S found."""
    kernel = draw(0, 3, 3).requires_grad_()
    optimiser = torch.optim.LBFGS([kernel], max_iter=200)

    def score():
        optimiser.zero_grad()
        unit = kernel / kernel.norm()
        value = 1 - sum((ELEMENTS[e](unit) - unit).norm() for e in TOTAL) / 14
        value.backward()
        return value

    for _ in range(5):
        optimiser.step(score)
    assert symmetry_score(kernel, TOTAL) == pytest.approx(FLOOR, abs=2e-3)


def test_null_bands_of_single_kernels():
    means = {3: 0.408, 5: 0.349, 7: 0.330}
    for size, mean in means.items():
        low, centre, high = null_band((size, size), "total")
        assert centre == pytest.approx(mean, abs=2e-3)
        assert low < centre < high


def test_null_distribution_of_3x3_kernels():
    scores = torch.tensor([symmetry_score(k, TOTAL) for k in draw(1, 4000, 3, 3)])
    assert scores.std().item() == pytest.approx(0.0995, abs=4e-3)
    assert scores.quantile(0.95).item() == pytest.approx(0.600, abs=0.015)
    low, _, high = null_band((3, 3), "total")
    assert ((scores > low) & (scores < high)).float().mean().item() == pytest.approx(
        0.95, abs=0.015
    )


def test_null_of_a_whole_layer():
    expected = {"h": 0.4226, "v": 0.4226, "rot90": 0.3333, "total": 0.3844}
    layer = draw(2, 512, 256, 3, 3)
    for group, value in expected.items():
        assert layer_null((3, 3), group) == pytest.approx(value, abs=1e-4)
        assert symmetry_score(layer, MEASURES[group]) == pytest.approx(value, abs=2e-3)


@pytest.mark.parametrize("name", [g for g in GROUP_ELEMENTS if g != "vanilla"])
def test_a_symmetric_layer_scores_one_for_its_own_elements(name):
    conv = ConvFactory(Symmetry(name))(8, 8, (3, 3))
    initialise(conv, 0)
    own = [e for e in GROUP_ELEMENTS[name] if e != "identity"]
    assert symmetry_score(conv.weight, own) == pytest.approx(1, abs=1e-7)


def test_a_zero_kernel_has_no_score_but_a_reason():
    network = nn.Sequential(nn.Conv2d(2, 2, 3), nn.Conv2d(2, 2, 3))
    nn.init.zeros_(network[0].weight)
    measures = measure_network(network)
    zero = [m for m in measures if m.layer == "0"]
    assert all(math.isnan(m.value) and m.reason == "kernel is zero" for m in zero)
    means = mean_over_layers(measures)
    assert means["layer", "total"] == next(
        m.value for m in measures if (m.layer, m.kind, m.group) == ("1", "layer", "total")
    )
    assert math.isnan(symmetry_score(torch.zeros(3, 3), TOTAL))


def test_kernels_that_are_not_finite_have_no_score_but_a_reason():
    network = nn.Sequential(nn.Conv2d(2, 2, 3))
    with torch.no_grad():
        network[0].weight[0, 0, 0, 0] = math.nan
    assert {m.reason for m in measure_network(network)} == {"kernel is not finite"}


def test_every_convolution_of_any_network_is_measured():
    network = nn.Sequential(
        nn.Conv2d(4, 8, 1),
        nn.Conv2d(8, 8, 3, groups=8),
        nn.Conv2d(8, 8, 5, groups=2),
        nn.Conv2d(8, 4, (3, 5)),
        nn.Sequential(nn.ConvTranspose2d(4, 4, 7)),
        nn.Linear(4, 2),
    )
    measures = measure_network(network)
    assert {(m.layer, m.depth) for m in measures} == {("1", 1), ("2", 2), ("3", 3), ("4.0", 4)}
    assert len(measures) == 4 * 2 * len(MEASURES)
    for m in measures:
        needs_square = m.layer == "3" and m.group in ("rot90", "total")
        assert math.isnan(m.value) == needs_square
        assert m.reason == ("needs a square kernel" if needs_square else "")
