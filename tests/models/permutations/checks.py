"""What tests of derived groups share: networks that use all their weights, and the guard."""

from __future__ import annotations

import torch
from torch import Tensor, nn

from symscape.landscape.alignment import permute_state
from symscape.landscape.alignment.permutation import random_permutations
from symscape.models.permutations import PermutationSpec
from symscape.models.permutations.derive import derived_groups


def awake(network: nn.Module, seed: int = 0) -> nn.Module:
    """The network in float64 and eval mode, no entry of which is 0 or 1 everywhere."""
    network = network.eval().double()
    generator = torch.Generator().manual_seed(seed)
    with torch.no_grad():
        for tensor in [*network.parameters(), *network.buffers()]:
            flat = tensor.dim() < 2 or tensor.numel() == max(tensor.shape) or not tensor.any()
            if flat and tensor.is_floating_point():
                tensor += 0.3 * torch.rand(tensor.shape, generator=generator, dtype=tensor.dtype)
    return network


def images(size: int, channels: int = 3, count: int = 2) -> Tensor:
    generator = torch.Generator().manual_seed(1)
    return torch.randn(count, channels, size, size, generator=generator, dtype=torch.float64)


def change(network: nn.Module, x: Tensor, spec: PermutationSpec, seed: int = 0) -> float:
    """By how much random permutations of all groups change the output, relative to its largest."""
    state = {name: tensor.clone() for name, tensor in network.state_dict().items()}
    drawn = random_permutations(spec, torch.Generator().manual_seed(seed))
    outputs = []
    for each in (state, permute_state(state, spec, drawn)):
        for name, tensor in network.state_dict(keep_vars=True).items():
            tensor.data.copy_(each[name])
        with torch.no_grad():
            outputs.append(network(x))
    for name, tensor in network.state_dict(keep_vars=True).items():
        tensor.data.copy_(state[name])
    assert outputs[0].abs().max() > 1e-6
    return ((outputs[1] - outputs[0]).abs().max() / outputs[0].abs().max()).item()


def checked(network: nn.Module, x: Tensor) -> PermutationSpec:
    """The groups of a network, whose permutations leave it alone."""
    network = awake(network)
    spec = derived_groups(network, x)
    assert change(network, x, spec) < 1e-10
    return spec
