"""Measures of kernels with the BatchNorm behind them, layer by layer, and where there are none."""

import math

import pytest
import torch
from hypothesis import given
from torch import nn

from symscape.audit.kernels import (
    Convolution,
    measure_kernels,
)
from symscape.symmetry.groups import distinct_elements
from symscape.symmetry.measures import symmetry_score
from tests.audit.kernel_numbers import (
    OF_FILTERS,
    OF_K,
    SIZES,
    TWINLESS,
    draw,
    measure,
    missing,
    same,
    seeds,
)

# Folding


@given(seeds)
def test_folded_is_the_score_of_rows_times_their_scale(seed):
    kernel, scale = draw(seed, 5, 4, 3, 3), draw(seed + 1, 5)
    scaled = kernel * scale[:, None, None, None]
    assert measure(kernel, scale).folded == pytest.approx(measure(scaled).score, abs=1e-9)


def test_a_batch_norm_s_scale_is_that_of_the_convolution_folded_with_it():
    conv, norm = nn.Conv2d(3, 8, 3, bias=False), nn.BatchNorm2d(8).eval()
    with torch.no_grad():
        norm.weight.copy_(draw(8, 8))
        norm.running_var.copy_(draw(9, 8).exp())
    folded = nn.utils.fuse_conv_bn_eval(conv.eval(), norm).weight
    scale = norm.weight / (norm.running_var + norm.eps).sqrt()
    expected = symmetry_score(folded.double().mean((0, 1)), distinct_elements((3, 3)))
    assert measure(conv.weight, scale).folded == pytest.approx(expected, abs=1e-6)


@pytest.mark.parametrize(
    ("scale", "reason"),
    [
        (None, "no BatchNorm reads it"),
        (torch.zeros(4), "scale is zero"),
        (torch.tensor([1, math.nan, 1, 1]), "scale is not finite"),
        (torch.tensor([1, math.inf, 1, 1]), "scale is not finite"),
        (torch.tensor([1.0, 0, 0, 0]), "mean kernel vanishes"),
    ],
)
def test_what_cannot_be_folded_says_why(scale, reason):
    kernel = draw(10, 4, 3, 3, 3)
    kernel[0] = 0
    found = measure(kernel, scale)
    assert missing(found) == {"folded"}
    assert (found.reason, found.folded_reason) == ("", reason)


# Which layers


def test_layers_come_in_their_order_without_those_of_one_tap():
    layers = [
        Convolution("stem", draw(11, 4, 3, 7, 7), (2, 2)),
        Convolution("point", draw(12, 4, 4, 1, 1), (1, 1)),
        Convolution("depthwise", draw(13, 4, 1, 3, 3), (1, 2)),
        Convolution("row", draw(14, 4, 4, 1, 3), (1, 1)),
    ]
    found = measure_kernels(layers)
    assert [m.layer for m in found] == ["stem", "depthwise", "row"]
    assert [m.stride for m in found] == [(2, 2), (1, 2), (1, 1)]
    assert [m.filters for m in found] == [12, 4, 16]
    assert [m.kernel_size for m in found] == [(7, 7), (3, 3), (1, 3)]
    assert measure_kernels([]) == []


def test_a_shared_kernel_counts_once_and_an_equal_one_twice():
    kernel = draw(15, 4, 3, 3, 3)
    tensors = [("first", kernel), ("again", kernel.view(4, 3, 3, 3)), ("equal", kernel.clone())]
    found = measure_kernels([Convolution(name, tensor, (1, 1)) for name, tensor in tensors])
    assert [m.layer for m in found] == ["first", "equal"]


def test_part_of_a_kernel_is_another_kernel():
    kernel = draw(16, 4, 3, 3, 3)
    layers = [Convolution("all", kernel, (1, 1)), Convolution("half", kernel[:2], (1, 1))]
    assert [m.filters for m in measure_kernels(layers)] == [12, 6]


@pytest.mark.parametrize("kind", ["parameter", "bfloat16", "channels_last", "strided"])
def test_tensors_of_any_kind_are_measured(kind):
    kernel = draw(17, 6, 4, 3, 3).bfloat16().double()
    other = {
        "parameter": nn.Parameter(kernel),
        "bfloat16": kernel.bfloat16(),
        "channels_last": kernel.contiguous(memory_format=torch.channels_last),
        "strided": kernel.repeat_interleave(2, 3)[..., ::2],
    }[kind]
    same(measure(other), measure(kernel))


def test_weights_are_left_as_they_are():
    kernel, scale = draw(24, 6, 4, 3, 3), draw(25, 6)
    before = kernel.clone(), scale.clone()
    measure(kernel, scale)
    assert torch.equal(kernel, before[0])
    assert torch.equal(scale, before[1])


def test_a_kernel_or_a_scale_of_another_shape_is_refused():
    with pytest.raises(ValueError, match=r"conv1d: .*\(4, 3, 3\)"):
        Convolution("conv1d", torch.ones(4, 3, 3), (1, 1))
    with pytest.raises(ValueError, match=r"up: scale of shape \(3,\) for 4 rows"):
        Convolution("up", torch.ones(4, 3, 3, 3), (1, 1), torch.ones(3))


# Edges


@pytest.mark.parametrize(
    ("value", "reason"),
    [
        (0.0, "kernel is zero"),
        (math.nan, "kernel is not finite"),
        (math.inf, "kernel is not finite"),
        (-math.inf, "kernel is not finite"),
    ],
)
def test_a_kernel_without_numbers_has_a_reason_for_each(value, reason):
    kernel = torch.zeros(4, 3, 3, 3)
    kernel[0, 0, 0, 0] = value
    found = measure(kernel, torch.ones(4))
    assert missing(found) == OF_K | OF_FILTERS
    assert {found.reason, found.twin_reason, found.folded_reason} == {reason}
    assert not found.common
    assert found.null.mean == pytest.approx(0.408, abs=2e-3)


def test_a_convolution_without_channels_is_zero():
    assert measure(torch.ones(0, 3, 3, 3)).reason == "kernel is zero"


@pytest.mark.parametrize("rest", [0.0, 1e-9])
def test_a_mean_kernel_that_vanishes_leaves_the_numbers_of_its_filters(rest):
    half = draw(18, 8, 4, 3, 3)
    found = measure(torch.cat([half + rest, -half]), torch.ones(16))
    assert missing(found) == OF_K | {"folded"}
    assert {found.reason, found.twin_reason, found.folded_reason} == {"mean kernel vanishes"}
    assert found.single == pytest.approx(measure(half).single)
    assert found.strength < 1e-15
    assert found.strength_p == pytest.approx(1)


def test_a_mean_kernel_that_is_small_and_more_than_rounding_is_measured():
    half = draw(19, 8, 4, 3, 3)
    found = measure(torch.cat([half + 1e-5, -half]))
    assert not found.reason
    assert found.score == pytest.approx(1, abs=1e-6)


@pytest.mark.parametrize("size", SIZES)
@pytest.mark.parametrize("value", [1.0, -0.1])
def test_the_twin_of_a_constant_kernel_is_nothing_and_not_symmetric(size, value):
    found = measure(torch.full((3, 7, *size), value))
    assert found.score == 1
    assert missing(found) == {*TWINLESS, "folded"}
    assert (found.reason, found.twin_reason) == ("", "mean kernel is constant")


@pytest.mark.parametrize("size", [(2, 2), (1, 2), (2, 1)])
def test_where_the_mean_alone_is_invariant_the_twin_has_no_chance(size):
    found = measure(draw(20, 3, 4, *size))
    assert missing(found) == {"twin_p", "folded"}
    assert 0 <= found.twin < 0.5


def test_one_filter_is_its_own_mean_and_claims_nothing():
    found = measure(draw(21, 1, 1, 3, 3))
    assert missing(found) == {"strength_p", "folded"}
    assert found.strength == pytest.approx(1)
    assert found.single == pytest.approx(found.score)
    assert not found.common
