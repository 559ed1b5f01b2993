"""Which symmetric convolutions fold: decided by a cost model, so that runs of a seed repeat.

The model counts multiplications and elements moved, in units of one multiplication of a direct
convolution. A measurement would be nearer to the machine, but would choose otherwise now and then,
and the two ways differ in rounding.
"""

from __future__ import annotations

import math
from collections.abc import Mapping
from contextlib import ExitStack
from dataclasses import dataclass
from functools import partial
from typing import Any

import torch
from torch import nn

from symscape.layers.conv import SymmetricConv2d
from symscape.layers.stencil import Geometry
from symscape.symmetry.groups import KernelSize

# Fitted to benchmarks/symmetric_conv.py on two cores with AVX512, in multiplications of a direct
# convolution in float32 and bfloat16.
PRODUCT = 1.4
"""A multiplication in the product of a fold."""
DIRECT_GRADIENTS = 2.25
"""Both gradients of a direct convolution relative to its forward pass."""
MOVED = {"float32": 20.0, "bfloat16": 30.0}
"""An element that a fold writes."""
RUN = {"float32": 200.0, "bfloat16": 1500.0}
"""A pixel that it writes: its channels are a run of their own."""
CALL = {"float32": 1.5e8, "bfloat16": 1.5e8}
"""A pass over a batch, forward or one gradient, however small."""
WORTH = 0.85
"""The relative time below which a layer folds."""


@dataclass(frozen=True)
class LayerPlan:
    """How a layer computes."""

    name: str
    shape: str
    orbits: str
    estimate: float
    """Forward and backward time of the fold relative to the direct way; NaN without a model."""
    compute: str
    """direct or fold."""


def make_plan(
    network: nn.Module, batch: tuple[int, int, int, int], compute: str, precision: str, device: str
) -> list[LayerPlan]:
    """Return the plan of every symmetric convolution, in the order in which they compute.

    Args:
        network: on the CPU; one image passes through it in eval mode.
        batch: shape (N, C, H, W) of what it will see.
        compute: auto, direct or fold; kernels that are not tied stay direct.
        precision: float32, bfloat16 or float64.
        device: type of the device: cpu or cuda.
    """
    plans = []
    for name, layer, size in _layers(network, batch[1:]):
        # There is a model of plain channels on a CPU.
        known = device == "cpu" and layer.groups == 1 and layer.foldable
        sizes = (layer.in_channels, layer.out_channels, batch[0], precision)
        estimate = training_cost(layer.geometry(size), *sizes) if known else math.nan
        chosen = ("fold" if estimate < WORTH else "direct") if compute == "auto" else compute
        height, width = layer.kernel_size
        plans.append(
            LayerPlan(
                name,
                f"{layer.in_channels} > {layer.out_channels}, {height}x{width} / {layer.stride}, "
                f"{size[0]}x{size[1]}",
                f"{layer.dimension} of {layer.taps}",
                estimate,
                chosen if layer.foldable else "direct",
            )
        )
    return plans


def training_cost(
    geometry: Geometry, inputs: int, filters: int, images: int, precision: str
) -> float:
    """Return the estimated training time of a folded layer relative to the direct one.

    NaN where there is no estimate: float64.
    """
    if precision not in MOVED:
        return math.nan
    products = math.prod(geometry.out_size) * inputs * filters
    if geometry.stride == 1:
        moved = _moved(inputs, geometry.work, precision)
        moved += _moved(filters, geometry.reflected().work, precision)
    else:
        spread = math.prod(geometry.kernel_size) * math.prod(geometry.out_size)
        spread += math.prod(geometry.size)
        moved = _moved(inputs, 2 * geometry.work + spread, precision)
    folded = 3 * (PRODUCT * geometry.orbits * products + CALL[precision] / images) + moved
    return folded / ((1 + DIRECT_GRADIENTS) * math.prod(geometry.kernel_size) * products)


def forward_cost(
    geometry: Geometry, inputs: int, filters: int, images: int, precision: str
) -> float:
    """Return the estimated time of a folded forward pass relative to the direct one.

    NaN where there is no estimate: float64.
    """
    if precision not in MOVED:
        return math.nan
    products = math.prod(geometry.out_size) * inputs * filters
    moved = _moved(inputs, geometry.work, precision)
    folded = PRODUCT * geometry.orbits * products + CALL[precision] / images + moved
    return folded / (math.prod(geometry.kernel_size) * products)


def _moved(channels: int, pixels: int, precision: str) -> float:
    return pixels * (MOVED[precision] * channels + RUN[precision])


def _layers(
    network: nn.Module, image: tuple[int, ...]
) -> list[tuple[str, SymmetricConv2d, KernelSize]]:
    """Return the symmetric convolutions with the height and width of what they see."""
    found: list[tuple[str, SymmetricConv2d, KernelSize]] = []

    def note(name: str, module: SymmetricConv2d, inputs: tuple[Any, ...]) -> None:
        found.append((name, module, (inputs[0].shape[-2], inputs[0].shape[-1])))

    was_training = network.training
    with ExitStack() as hooks, torch.no_grad():
        for name, module in network.named_modules():
            if isinstance(module, SymmetricConv2d):
                hook = module.register_forward_pre_hook(partial(note, name))
                hooks.callback(hook.remove)
        if not hooks:
            return []
        parameter = next(network.parameters())
        network.eval()(torch.zeros(1, *image, dtype=parameter.dtype, device=parameter.device))
        network.train(was_training)
    return found


def apply_plan(network: nn.Module, compute: Mapping[str, str]) -> None:
    """Set how the symmetric convolutions compute, by name; those not named stay direct.

    Raises:
        KeyError: a name is none of the network's symmetric convolutions.
    """
    layers = {n: m for n, m in network.named_modules() if isinstance(m, SymmetricConv2d)}
    for name, chosen in compute.items():
        layers[name].compute = chosen
