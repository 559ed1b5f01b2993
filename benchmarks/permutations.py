"""`python benchmarks/permutations.py`: groups of torchvision's networks, and what aligning costs.

A copy of each network with random weights is permuted and aligned back by weights, from one start;
the barrier of the line between both is that of rounding. Aligning by activations is compared with
the forward passes of both networks on the same images.
"""

from __future__ import annotations

import argparse
import time
from collections.abc import Callable
from typing import TypeVar

import torch
from rich.console import Console
from torch import Tensor, nn

from symscape.landscape.alignment import match_activations, match_weights, permute_state
from symscape.landscape.alignment.permutation import random_permutations
from symscape.models.permutations import permutation_spec
from symscape.models.zoo import load_network

NETWORKS = ("resnet50", "resnext50_32x4d", "mobilenet_v2", "densenet121", "vgg11_bn")
State = dict[str, Tensor]


Result = TypeVar("Result")


def timed(function: Callable[[], Result]) -> tuple[Result, float]:
    """Return what a function gives, and its seconds."""
    begin = time.perf_counter()
    return function(), time.perf_counter() - begin


def network_of(name: str) -> nn.Module:
    """Return a network of torchvision with random weights, none of which is 0 or 1 throughout."""
    network = load_network(f"torchvision/{name}").network
    generator = torch.Generator().manual_seed(0)
    with torch.no_grad():
        for tensor in network.state_dict().values():
            if tensor.dim() == 1 and tensor.is_floating_point():
                tensor += 0.1 * torch.rand(tensor.shape, generator=generator)
    return network


def line_change(network: nn.Module, ends: tuple[State, State], x: Tensor) -> float:
    """Return the change of logits half way along a line from those of its start, relative."""
    middle = {name: (ends[0][name] + ends[1][name]) / 2 for name in ends[0]}
    outputs = []
    for state in (ends[0], middle):
        network.load_state_dict(state)
        with torch.no_grad():
            outputs.append(network(x))
    change: float = ((outputs[1] - outputs[0]).abs().max() / outputs[0].abs().max()).item()
    return change


def measure(name: str, count: int, console: Console) -> None:
    """Print the figures of one network."""
    network, other = network_of(name), network_of(name)
    x = torch.randn(count, 3, 224, 224, generator=torch.Generator().manual_seed(0))
    spec, derived = timed(lambda: permutation_spec(network, x[:2]))
    state = {key: tensor.clone() for key, tensor in network.state_dict().items()}
    hidden = random_permutations(spec, torch.Generator().manual_seed(1))
    moved = dict(permute_state(state, spec, hidden))
    before = line_change(other, (state, moved), x)
    (order, _), by_weights = timed(lambda: match_weights(state, moved, spec, restarts=0))
    back = dict(permute_state(moved, spec, order))
    after = line_change(other, (state, back), x)
    other.load_state_dict(moved)
    with torch.inference_mode():
        network(x), other(x)
        _, forward = timed(lambda: (network(x), other(x)))
    _, by_activations = timed(lambda: match_activations(network, other, spec, [(x, x)]))
    groups = f"{len(spec.sizes)}, {len(spec.outer())} outer, {100 * spec.coverage:.2f} % of places"
    passes = f"{by_activations / forward:.1f} times the forward passes"
    console.print(f"{name}: groups in {derived:.1f} s ({groups})")
    console.print(f"  by weights {by_weights:.1f} s; by activations {passes}")
    console.print(f"  logits half way: changed by {before:.1e}, aligned {after:.1e} of their scale")


def main() -> None:
    """Derive, plant, align."""
    parser = argparse.ArgumentParser(description=(__doc__ or "").splitlines()[0])
    parser.add_argument("--images", type=int, default=32)
    parser.add_argument("networks", nargs="*", default=NETWORKS)
    options = parser.parse_args()
    for name in options.networks:
        measure(name, options.images, Console(width=200, highlight=False))


if __name__ == "__main__":
    main()
