"""`python benchmarks/lie.py`: what factored group kernels save.

One layer (batch 8, 28 x 28, 32 channels, 7 x 7) and a whole network, forward and backward, in turn:
the plain convolution that any kernel expands to, which is all that a nonseparable one has; the
factors one after the other, with PyTorch's depthwise weight gradient and with ours; and escnn's
convolution on the same group, where it is installed; and evaluation in the middle of a line between
two separable networks, by whole kernels and product by product. Knigge et al. 2022 report 3.1
(N = 8) and 6.0 (N = 16) for separable against nonseparable networks on a CPU.
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
from symscape.landscape.interpolation import Line
from symscape.layers import evaluation
from symscape.layers.effective import effective_network
from symscape.layers.evaluation import for_evaluation
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


def _network(kernel: str, size: int, width: int, seed: int = 0) -> nn.Module:
    return build_network(
        ModelConfig("ckgresnet", width=width),
        SymmetryConfig(),
        in_channels=1,
        classes=10,
        seed=seed,
        image=(IMAGE, IMAGE),
        group=GroupConfig("se2", rotations=size),
        kernel=KernelConfig(kernel),
    )


def network_steps(size: int, width: int) -> dict[str, Step]:
    """Return training steps of whole networks; generating their kernels is part of them."""
    steps: dict[str, Step] = {}
    images, labels = torch.randn(BATCH, 1, IMAGE, IMAGE), torch.randint(10, (BATCH,))
    for kernel in ("nonseparable", "separable", "dseparable", "dgseparable"):
        network = _network(kernel, size, width)

        def step(network: nn.Module = network) -> None:
            torch.autograd.backward(nn.functional.cross_entropy(network(images), labels))

        steps[kernel] = step
    return steps


def line_steps(size: int, width: int) -> dict[str, Step]:
    """Return forward passes in the middle of a line between two separable networks."""
    ends = [
        effective_network(_network("separable", size, width, seed=seed)).eval() for seed in (0, 1)
    ]
    network, states = ends[0], [end.state_dict() for end in ends]
    Line(network, {}).fill({k: v.clone() for k, v in states[0].items()}, states[1], 0.5)
    x = torch.randn(100, 1, IMAGE, IMAGE).contiguous(memory_format=torch.channels_last)

    def passes() -> Step:
        fast = for_evaluation(network, "float32")
        return torch.inference_mode()(lambda: fast(x))

    whole = mock.patch.object(evaluation, "products_of", lambda kernel: [])(passes())
    return {"whole kernels": whole, "product by product": passes()}


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
    whats = ["layer", "network", "line"]
    parser.add_argument("--what", nargs="+", default=whats, choices=whats)
    parser.add_argument("--rotations", type=int, nargs="+", default=[4, 8, 16])
    parser.add_argument("--channels", type=int, default=32)
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument("--threads", type=int, default=torch.get_num_threads())
    arguments = parser.parse_args()
    torch.set_num_threads(arguments.threads)
    console = Console(width=100)
    makers = {"layer": layer_steps, "network": network_steps, "line": line_steps}
    for what, make in ((each, makers[each]) for each in arguments.what):
        for size in arguments.rotations:
            found = seconds(make(size, arguments.channels), arguments.rounds)
            table = Table(title=f"{what}, N = {size}, float32, {arguments.threads} thread(s)")
            first = next(iter(found))
            for column in ("", "ms", f"{first} takes so many times as long"):
                table.add_column(column, justify="right")
            for name, value in found.items():
                ratio = found[first] / value
                table.add_row(name, f"{value * 1e3:.1f}", f"{ratio:.2f}")
            console.print(table)


if __name__ == "__main__":
    main()
