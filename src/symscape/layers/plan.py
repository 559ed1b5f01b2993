"""How the convolutions of a network compute.

Of symmetric ones, which fold (`layers.fold`), by what that costs; of those on a group, which apply
their kernel factor after factor.
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
from symscape.layers.effective import CONSTRAINED
from symscape.layers.folding.costs import WORTH, training_cost
from symscape.layers.lie.conv import GroupConv2d
from symscape.symmetry.groups import KernelSize


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
        known = device == "cpu" and layer.groups == 1 and layer.can_fold
        sizes = (layer.in_channels, layer.out_channels, batch[0], precision)
        estimate = training_cost(layer.geometry(size), *sizes) if known else math.nan
        chosen = ("fold" if estimate < WORTH else "direct") if compute == "auto" else compute
        height, width = layer.kernel_size
        stride = "x".join(map(str, dict.fromkeys(layer.stride)))
        plans.append(
            LayerPlan(
                name,
                f"{layer.in_channels} > {layer.out_channels}, {height}x{width} / {stride}, "
                f"{size[0]}x{size[1]}",
                f"{layer.dimension} of {layer.taps}",
                estimate,
                chosen if layer.can_fold else "direct",
            )
        )
    return plans


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


def group_plan(network: nn.Module) -> dict[str, str]:
    """Return how each convolution on a group computes as it is: expanded or passes."""
    return {
        name: "passes" if layer.passes else "expanded"
        for name, layer in network.named_modules()
        if isinstance(layer, GroupConv2d)
    }


def apply_plan(network: nn.Module, compute: Mapping[str, str]) -> None:
    """Set how the convolutions compute, by name; those not named stay as they are.

    Raises:
        KeyError: a name is none of the network's constrained convolutions.
        ValueError: a kernel has no factors to pass through one after another.
    """
    layers = {n: m for n, m in network.named_modules() if isinstance(m, CONSTRAINED)}
    for name, chosen in compute.items():
        layer = layers[name]
        if isinstance(layer, SymmetricConv2d):
            layer.compute = chosen
        elif chosen == "passes" and not layer.passable:
            raise ValueError(f"{name}: its kernel is no product of factors")
        else:
            layer.passes = chosen == "passes"
