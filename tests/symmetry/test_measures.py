"""The exact values, invariances and null distributions of the measure S."""

import itertools
import math

import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st
from scipy import stats
from torch import nn

from symscape.layers.factory import ConvFactory, initialise
from symscape.symmetry.groups import (
    ELEMENTS,
    GROUP_ELEMENTS,
    SWAPS_AXES,
    Symmetry,
    distinct_elements,
    tap_permutation,
)
from symscape.symmetry.measures import (
    MEASURES,
    filter_scores,
    layer_null,
    mean_over_layers,
    measure_network,
    null_band,
    null_scores,
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
    "counting_from_the_mean": ([[-4, -3, -2], [-1, 0, 1], [2, 3, 4]], 0.2827478),
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
    assert filter_scores(torch.tensor([kernel]), TOTAL).item() == pytest.approx(value, abs=1e-7)


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


SETS = [*MEASURES.values(), ("transpose",), ("rot90", "hflip")]


@pytest.mark.parametrize(
    ("size", "elements"),
    [
        *itertools.product([(2, 2), (3, 3), (4, 4)], SETS),
        *itertools.product([(3, 5), (1, 4)], [e for e in SETS if not {*e} & {*SWAPS_AXES}]),
    ],
)
def test_scores_of_filters_are_those_of_one_at_a_time(size, elements):
    filters = draw(3, 20, *size)
    expected = filters.new_tensor([by_definition(f, elements) for f in filters])
    torch.testing.assert_close(filter_scores(filters, elements), expected, atol=1e-12, rtol=0)


@given(st.integers(0, 1000), st.sampled_from(["hflip", "rot180", "transpose", "rot90"]))
def test_a_filter_that_an_element_leaves_alone_scores_exactly_one(seed, element):
    filters = draw(seed, 3, 5, 5)
    turns = [filters]
    for _ in range(3):
        turns.append(ELEMENTS[element](turns[-1]))
    # Sorted, the sum has the same rounding at every tap of an orbit.
    symmetric = torch.stack(turns).sort(0)[0].sum(0)
    assert filter_scores(symmetric, (element,)).tolist() == [1, 1, 1]


def test_a_filter_that_is_zero_has_no_score_and_the_others_keep_theirs():
    filters = draw(4, 3, 3, 3)
    alone = filter_scores(filters, TOTAL)
    filters[1] = 0
    scores = filter_scores(filters, TOTAL)
    assert scores.isnan().tolist() == [False, True, False]
    assert scores[[0, 2]].tolist() == pytest.approx(alone[[0, 2]].tolist(), abs=1e-15)


def test_filters_are_scored_alike_in_pieces_and_at_once():
    filters = draw(5, 12_000, 3, 3)
    at_once = filter_scores(filters, TOTAL)
    pieces = torch.cat([filter_scores(part, TOTAL) for part in torch.split(filters, 7_000)])
    torch.testing.assert_close(at_once, pieces, atol=1e-14, rtol=0)
    assert len(at_once) == 12_000


# Mean, sd and 95 % quantile of S, then of S of the kernel less its mean, from millions of draws;
# and how many are enough to see them to .001.
NULLS = [
    (2, False, 0.3961, 0.1240, 0.6609, 600_000),
    (3, False, 0.4083, 0.0994, 0.6008, 300_000),
    (4, False, 0.3306, 0.0573, 0.4430, 100_000),
    (5, False, 0.3492, 0.0519, 0.4466, 100_000),
    (7, False, 0.3296, 0.0344, 0.3927, 40_000),
    (11, False, 0.3144, 0.0202, 0.3505, 20_000),
    (2, True, 0.2887, 0.0247, 0.3421, 50_000),
    (3, True, 0.3702, 0.0916, 0.5545, 300_000),
    (4, True, 0.3080, 0.0501, 0.4086, 100_000),
    (5, True, 0.3355, 0.0494, 0.4294, 100_000),
    (7, True, 0.3225, 0.0333, 0.3840, 40_000),
    (11, True, 0.3114, 0.0199, 0.3469, 20_000),
]


@pytest.mark.parametrize(("size", "demeaned", "mean", "sd", "quantile", "draws"), NULLS)
def test_null_distributions(size, demeaned, mean, sd, quantile, draws):
    scores = null_scores((size, size), TOTAL, demeaned=demeaned, draws=draws)
    assert scores.mean().item() == pytest.approx(mean, abs=1e-3)
    assert scores.quantile(0.95).item() == pytest.approx(quantile, abs=1e-3)
    assert scores.std().item() == pytest.approx(sd, abs=1e-3)


@pytest.mark.parametrize(
    ("size", "mean", "sd"),
    [((1, 7), 0.3750, 0.1952), ((2, 3), 0.3695, 0.1306), ((3, 5), 0.3848, 0.0927)],
)
def test_null_distributions_of_kernels_that_are_not_square(size, mean, sd):
    scores = null_scores(size, distinct_elements(size), draws=200_000)
    assert scores.mean().item() == pytest.approx(mean, abs=1e-3)
    assert scores.std().item() == pytest.approx(sd, abs=1e-3)


def test_the_null_of_three_taps_in_a_row_is_uniform():
    scores = null_scores((1, 3), ("hflip",), draws=100_000)
    assert stats.kstest(scores.numpy(), "uniform").pvalue > 0.01


@pytest.mark.parametrize("size", [(1, 7), (4, 1), (2, 3), (3, 5), (3, 3), (4, 4)])
@pytest.mark.parametrize("demeaned", [False, True])
def test_the_null_of_one_reflection_is_the_root_of_a_beta_variable(size, demeaned):
    """||T K^ - K^|| / 2 is the norm of the part that T negates, of as many dimensions as swaps."""
    for element in set(distinct_elements(size)) - {"rot90", "rot270"}:
        taps = torch.arange(math.prod(size))
        swaps = int((tap_permutation(element, size) != taps).sum()) // 2
        kept = len(taps) - swaps - demeaned
        expected = stats.beta(swaps / 2, kept / 2)
        parts = (1 - null_scores(size, (element,), demeaned=demeaned, draws=4000)) ** 2
        if kept:
            assert stats.kstest(parts.numpy(), expected.cdf).pvalue > 1e-3


def test_a_null_is_the_quantiles_mean_and_deviation_of_its_scores_and_simulated_once():
    null, scores = null_band((3, 3), TOTAL), null_scores((3, 3), TOTAL)
    ends = scores.new_tensor([0.025, 0.95, 0.975])
    expected = [x.item() for x in (*scores.quantile(ends), scores.mean(), scores.std())]
    assert [null.low, null.top, null.high, null.mean, null.sd] == pytest.approx(expected)
    assert null.low < null.mean < null.top < null.high
    assert null_band((3, 3), TOTAL) is null
    assert null_band((3, 3), TOTAL, demeaned=True).mean < null.mean


@pytest.mark.parametrize("group", MEASURES)
def test_a_null_is_that_of_the_first_20_000_draws_of_seed_0(group):
    kernels = draw(0, 20_000, 9).view(-1, 3, 3)
    kernels /= kernels.flatten(1).norm(dim=1)[:, None, None]
    moved = [(ELEMENTS[e](kernels) - kernels).flatten(1).norm(dim=1) for e in MEASURES[group]]
    scores = 1 - torch.stack(moved).mean(0) / 2
    null = null_band((3, 3), MEASURES[group])
    expected = [scores.quantile(0.025).item(), scores.mean().item(), scores.quantile(0.975).item()]
    assert [null.low, null.mean, null.high] == pytest.approx(expected, abs=1e-14)


def test_large_kernels_have_fewer_draws_and_no_less_certain_a_mean():
    for size in [(3, 3), (7, 7), (11, 11), (31, 31)]:
        scores = null_scores(size, TOTAL)
        assert len(scores) * math.prod(size) <= 1_000_000
        assert (scores.std() / math.sqrt(len(scores))).item() < 1e-3


def test_null_distribution_of_3x3_kernels():
    scores = torch.tensor([symmetry_score(k, TOTAL) for k in draw(1, 4000, 3, 3)])
    assert scores.std().item() == pytest.approx(0.0995, abs=4e-3)
    assert scores.quantile(0.95).item() == pytest.approx(0.600, abs=0.015)
    null = null_band((3, 3), TOTAL)
    assert ((scores > null.low) & (scores < null.high)).float().mean().item() == pytest.approx(
        0.95, abs=0.015
    )


@pytest.mark.parametrize(
    ("offset", "mean"),
    [(0, 0.409), (0.5, 0.467), (1, 0.579), (2, 0.738), (4, 0.860), (8, 0.929)],
)
def test_an_offset_alone_makes_chance_kernels_symmetric(offset, mean):
    """In units of the taps' deviation. The twin, less its mean, does not see it."""
    kernels = draw(6, 300_000, 3, 3) + offset
    assert filter_scores(kernels, TOTAL).mean().item() == pytest.approx(mean, abs=1e-3)
    twins = kernels - kernels.mean((1, 2), keepdim=True)
    assert filter_scores(twins, TOTAL).mean().item() == pytest.approx(0.370, abs=1e-3)


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
