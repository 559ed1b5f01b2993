"""`python benchmarks/lie.py`: what factored group kernels save.

One layer (batch 8, 28 x 28, 32 channels, 7 x 7) and a whole network, forward and backward, in turn:
the plain convolution that any kernel expands to, which is all that a nonseparable one has; the
factors one after the other, with PyTorch's depthwise weight gradient and with ours; and escnn's
convolution on the same group, where it is installed. Knigge et al. 2022 report 3.1 (N = 8) and 6.0
(N = 16) for separable against nonseparable networks on a CPU.
"""

from __future__ import annotations

import symscape  # noqa: F401  # isort: skip  # before torch: it sets how threads wait

import argparse
import statistics
import time
from collections.abc import Callable
from importlib.util import find_spec
from unittest import mock

import torch
from rich.console import Console
from rich.table import Table
from torch import Tensor, nn

from symscape.config.groups import SymmetryConfig
from symscape.config.network.lie import GroupConfig, KernelConfig
from symscape.config.network.model import ModelConfig
from symscape.layers.lie import depthwise as own_gradient
from symscape.layers.lie.conv import GroupConv2d
from symscape.layers.lie.kernel import KernelSpec
from symscape.models.build import build_network
from symscape.symmetry.plane import PlaneGrid

BATCH, IMAGE, TAPS = 8, 28, 7
Step = Callable[[], object]


def pass_of(layer: nn.Module, x: Tensor) -> Step:
    """Return a forward and backward pass of a layer."""
    x = x.contiguous(memory_format=torch.channels_last).requires_grad_()
    gradient = torch.randn_like(layer(x))
    return lambda: layer(x).backward(gradient)


def layer_steps(size: int, channels: int) -> dict[str, Step]:
    """Return passes of one layer on SE(2) with `size` turns."""
    x = torch.randn(BATCH, channels * size, IMAGE, IMAGE)
    steps: dict[str, Step] = {}
    for name, kernel, passes in (
        ("nonseparable", "nonseparable", False),
        ("separable, expanded", "separable", False),
        ("separable, PyTorch's gradient", "separable", True),
        ("separable", "separable", True),
    ):
        layer = GroupConv2d(PlaneGrid(size), KernelSpec(kernel), channels, channels, TAPS)
        layer.kernel.draw(torch.Generator().manual_seed(0))
        layer.passes = passes
        steps[name] = pass_of(layer, x.clone())
    # With no kernel large enough, PyTorch's own gradient is taken.
    theirs = steps["separable, PyTorch's gradient"]
    steps["separable, PyTorch's gradient"] = mock.patch.object(own_gradient, "LARGE", 99)(theirs)
    if find_spec("escnn"):
        steps["escnn"] = escnn_pass(size, channels)
    return steps


def escnn_pass(size: int, channels: int) -> Step:
    """Return a pass of escnn's convolution on the same group."""
    from escnn import gspaces
    from escnn import nn as enn

    space = gspaces.rot2dOnR2(size)
    kind = enn.FieldType(space, channels * [space.regular_repr])
    layer = enn.R2Conv(kind, kind, kernel_size=TAPS, padding=TAPS // 2, bias=False)
    x = torch.randn(BATCH, channels * size, IMAGE, IMAGE, requires_grad=True)
    gradient = torch.randn(x.shape)
    return lambda: layer(enn.GeometricTensor(x, kind)).tensor.backward(gradient)


def network_steps(size: int, width: int) -> dict[str, Step]:
    """Return training steps of whole networks; generating their kernels is part of them."""
    steps: dict[str, Step] = {}
    images, labels = torch.randn(BATCH, 1, IMAGE, IMAGE), torch.randint(10, (BATCH,))
    for kernel in ("nonseparable", "separable", "dseparable", "dgseparable"):
        network = build_network(
            ModelConfig("ckgresnet", width=width),
            SymmetryConfig(),
            in_channels=1,
            classes=10,
            seed=0,
            image=(IMAGE, IMAGE),
            group=GroupConfig("se2", rotations=size),
            kernel=KernelConfig(kernel),
        )

        def step(network: nn.Module = network) -> None:
            torch.autograd.backward(nn.functional.cross_entropy(network(images), labels))

        steps[kernel] = step
    return steps


def seconds(steps: dict[str, Step], rounds: int) -> dict[str, float]:
    """Return the median time of each step, all in turn."""
    times: dict[str, list[float]] = {name: [] for name in steps}
    for _ in range(rounds + 1):
        for name, step in steps.items():
            begin = time.perf_counter()
            step()
            times[name].append(time.perf_counter() - begin)
    return {name: statistics.median(each[1:]) for name, each in times.items()}


def main() -> None:
    """Measure what the arguments name."""
    parser = argparse.ArgumentParser(description=(__doc__ or "").splitlines()[0])
    parser.add_argument("--rotations", type=int, nargs="+", default=[4, 8, 16])
    parser.add_argument("--channels", type=int, default=32)
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument("--threads", type=int, default=torch.get_num_threads())
    arguments = parser.parse_args()
    torch.set_num_threads(arguments.threads)
    console = Console(width=100)
    for what, make in (("layer", layer_steps), ("network", network_steps)):
        for size in arguments.rotations:
            found = seconds(make(size, arguments.channels), arguments.rounds)
            table = Table(title=f"{what}, N = {size}, float32, {arguments.threads} thread(s)")
            for column in ("", "ms", "nonseparable takes so many times as long"):
                table.add_column(column, justify="right")
            for name, value in found.items():
                ratio = found["nonseparable"] / value
                table.add_row(name, f"{value * 1e3:.1f}", f"{ratio:.2f}")
            console.print(table)


if __name__ == "__main__":
    main()
