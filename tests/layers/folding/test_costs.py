"""On a CPU whose times were taken, no layer folds that was slower folded."""

import math

import pytest

from symscape.layers.factory import ConvFactory
from symscape.layers.folding import processor as processors
from symscape.layers.folding.costs import WORTH, forward_cost, training_cost
from symscape.layers.folding.processor import OTHER, processor
from symscape.symmetry.groups import Symmetry

# Input channels, filters, side, stride of the layers of ResNet-18, then ResNet-20, without stems.
SHAPES = [
    *((64, 64, 32, 1), (64, 128, 32, 2), (128, 128, 16, 1), (128, 256, 16, 2)),
    *((256, 256, 8, 1), (256, 512, 8, 2), (512, 512, 4, 1)),
    *((16, 16, 32, 1), (16, 32, 32, 2), (32, 32, 16, 1), (32, 64, 16, 2), (64, 64, 8, 1)),
]
# fold / direct of benchmarks/symmetric_conv.py --rounds 1 on two cores of an Intel Xeon with AMX.
MEASURED = {
    ("bfloat16", "rot90", "forward"): [
        1.65,
        1.17,
        1.55,
        0.95,
        0.86,
        0.40,
        0.30,
        4.33,
        1.98,
        2.98,
        2.12,
        2.43,
    ],
    ("bfloat16", "rot90", "training"): [
        2.97,
        0.95,
        0.99,
        0.57,
        0.56,
        0.25,
        0.18,
        2.79,
        2.06,
        2.38,
        1.47,
        1.83,
    ],
    ("bfloat16", "hvflip", "forward"): [
        2.19,
        1.42,
        2.31,
        1.01,
        1.03,
        0.49,
        0.30,
        4.12,
        2.42,
        4.00,
        1.90,
        2.26,
    ],
    ("bfloat16", "hvflip", "training"): [
        1.87,
        1.02,
        1.31,
        1.09,
        0.61,
        0.23,
        0.15,
        3.80,
        2.80,
        2.60,
        1.40,
        1.28,
    ],
    ("bfloat16", "hflip", "forward"): [
        3.21,
        1.79,
        3.02,
        1.11,
        1.25,
        0.71,
        0.53,
        6.26,
        3.10,
        3.80,
        1.77,
        2.87,
    ],
    ("bfloat16", "hflip", "training"): [
        2.24,
        2.10,
        1.88,
        0.73,
        0.95,
        0.34,
        0.34,
        3.89,
        2.53,
        3.11,
        1.63,
        1.66,
    ],
    ("float32", "rot90", "forward"): [
        0.79,
        0.65,
        0.63,
        0.51,
        0.54,
        0.32,
        0.34,
        2.38,
        1.58,
        1.68,
        1.30,
        1.15,
    ],
    ("float32", "rot90", "training"): [
        0.61,
        0.58,
        0.53,
        0.46,
        0.46,
        0.29,
        0.32,
        1.53,
        1.18,
        1.15,
        1.06,
        0.92,
    ],
    ("float32", "hvflip", "forward"): [
        0.99,
        0.79,
        0.75,
        0.66,
        0.69,
        0.40,
        0.47,
        2.89,
        1.79,
        2.02,
        1.50,
        1.49,
    ],
    ("float32", "hvflip", "training"): [
        0.76,
        0.68,
        0.63,
        0.58,
        0.52,
        0.39,
        0.76,
        2.08,
        1.38,
        1.38,
        1.14,
        1.09,
    ],
    ("float32", "hflip", "forward"): [
        1.58,
        1.21,
        1.05,
        0.92,
        0.99,
        0.70,
        0.63,
        3.28,
        2.68,
        2.33,
        1.77,
        1.86,
    ],
    ("float32", "hflip", "training"): [
        1.18,
        0.97,
        1.04,
        0.78,
        0.93,
        0.58,
        0.72,
        2.44,
        1.68,
        1.64,
        1.23,
        1.42,
    ],
}
COSTS = {"forward": forward_cost, "training": training_cost}


@pytest.mark.parametrize("setting", MEASURED, ids=" ".join)
def test_what_folds_was_faster_folded_and_clear_gains_are_taken(setting):
    precision, symmetry, kind = setting
    for shape, measured in zip(SHAPES, MEASURED[setting], strict=True):
        estimate = cost(COSTS[kind], symmetry, shape, precision, "amx_bf16")
        if estimate < WORTH:
            assert measured < 1, (shape, estimate)
        if measured < 0.55:
            assert estimate < WORTH, (shape, estimate)


def test_without_rates_only_what_costs_half_folds():
    for shape in SHAPES:
        for precision in ("float32", "bfloat16"):
            known = cost(training_cost, "rot90", shape, precision, "avx512_bf16")
            unknown = cost(training_cost, "rot90", shape, precision, OTHER)
            assert unknown == pytest.approx(2 * known)
    assert math.isnan(cost(training_cost, "rot90", SHAPES[0], "float64", OTHER))


def test_a_cpu_is_of_its_fastest_kind(monkeypatch):
    for has, kind in (
        ({"amx_bf16": True, "avx512_bf16": True}, "amx_bf16"),
        ({"amx_bf16": False, "avx512_bf16": True}, "avx512_bf16"),
        ({"avx2": True}, OTHER),
    ):
        monkeypatch.setattr(processors.torch.cpu, "get_capabilities", lambda has=has: has)
        processor.cache_clear()
        assert processor() == kind
    processor.cache_clear()


def cost(function, symmetry, shape, precision, kind):
    inputs, filters, side, stride = shape
    layer = ConvFactory(Symmetry(symmetry))(inputs, filters, (3, 3), stride=stride)
    return function(layer.geometry((side, side)), inputs, filters, 128, precision, kind)
