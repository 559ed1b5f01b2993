"""Small residual networks and images for the tests of this room."""

from collections.abc import Iterator
from itertools import pairwise

import torch
from torch import Tensor, nn

from symscape.config.groups import SymmetryConfig
from symscape.config.network.model import ModelConfig
from symscape.landscape.batchnorm import reset_statistics
from symscape.layers.effective import effective_network
from symscape.models.build import build_network


def network(seed: int = 0, symmetry: str = "vanilla", name: str = "resnet20", **model) -> nn.Module:
    """A float64 network without dead channels, whose norms have seen some images."""
    config = ModelConfig(name=name, **{"width": 4, **model})
    net = build_network(config, SymmetryConfig(symmetry), in_channels=3, classes=5, seed=seed)
    net = effective_network(net).double()
    generator = torch.Generator().manual_seed(seed)
    with torch.no_grad():
        for key, parameter in net.named_parameters():
            if parameter.dim() == 1:
                parameter += 0.3 * key.endswith("bias")
                parameter += 0.1 * torch.randn(parameter.shape, generator=generator)
    reset_statistics(net.eval(), Fixed(seed=seed + 100))
    return net


def images(count: int, seed: int = 0, size: int = 8) -> Tensor:
    generator = torch.Generator().manual_seed(seed)
    x = torch.randn(count, 3, size, size, generator=generator, dtype=torch.float64)
    return x.to(memory_format=torch.channels_last)


class Fixed:
    """The same images again and again, cut after every `batch` of them."""

    def __init__(self, count: int = 60, batch: int = 20, seed: int = 0) -> None:
        self.x = images(count, seed)
        self.y = torch.randint(5, (count,), generator=torch.Generator().manual_seed(seed))
        self.cuts = [*range(0, count, batch), count]

    def __iter__(self) -> Iterator[tuple[Tensor, Tensor]]:
        for low, high in pairwise(self.cuts):
            yield self.x[low:high], self.y[low:high]


def state(net: nn.Module) -> dict[str, Tensor]:
    return {name: tensor.clone() for name, tensor in net.state_dict().items()}
