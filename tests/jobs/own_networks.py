"""Networks as a user writes them, for `model.network=tests.jobs.own_networks:NAME`."""

import torch
from torch import Tensor, nn


def small(num_classes: int, in_channels: int, width: int = 4) -> nn.Module:
    """Return a depthwise network with dropout, which draws at every step."""
    return nn.Sequential(
        nn.Conv2d(in_channels, width, 3, stride=2, padding=1, bias=False),
        nn.BatchNorm2d(width),
        nn.ReLU(inplace=True),
        nn.Conv2d(width, width, 3, padding=1, groups=width),
        nn.Conv2d(width, 8, 1, stride=2),
        nn.BatchNorm2d(8),
        nn.ReLU(inplace=True),
        nn.AdaptiveAvgPool2d(1),
        nn.Flatten(),
        nn.Dropout(0.3),
        nn.Linear(8, num_classes),
    )


def fixed() -> nn.Module:
    """Return a network that nobody can tell how many classes there are."""
    return small(7, 1)


class Branching(nn.Module):
    """Takes a way that depends on values: torch.fx cannot trace it."""

    def __init__(self, network: nn.Module) -> None:
        super().__init__()
        self.network = network

    def forward(self, x: Tensor) -> Tensor:
        x = -x if x.mean() > 1e6 else x
        answer: Tensor = self.network(x)
        return answer


def branching(num_classes: int, in_channels: int) -> nn.Module:
    """Return a network with dynamic control flow."""
    return Branching(small(num_classes, in_channels))


class Answering(nn.Module):
    """Answers with something else."""

    def __init__(self, network: nn.Module, kind: str) -> None:
        super().__init__()
        self.network, self.kind = network, kind

    def forward(self, x: Tensor) -> object:
        y = self.network(x)
        if self.kind == "aux":
            return (y, y) if self.training else y
        return {"out": y} if self.kind == "dict" else (y, y)


def answering(num_classes: int, in_channels: int, kind: str) -> nn.Module:
    """Return a network that gives dicts, tuples, or tuples in training."""
    return Answering(small(num_classes, in_channels), kind)


def deep(num_classes: int, in_channels: int) -> nn.Module:
    """Return a network that small images do not survive."""
    return nn.Sequential(nn.MaxPool2d(33), small(num_classes, in_channels))


def lazy() -> nn.Module:
    """Return a network whose sizes are not known yet."""
    return nn.Sequential(nn.Conv2d(1, 4, 3), nn.Flatten(), nn.LazyLinear(10))


def pointwise(num_classes: int) -> nn.Module:
    """Return a network in which no taps can be tied."""
    return nn.Sequential(
        nn.Conv2d(1, 4, 1), nn.AdaptiveAvgPool2d(1), nn.Flatten(), nn.Linear(4, 10)
    )


def raising() -> nn.Module:
    """Raise."""
    raise RuntimeError("no network today")


def tensor() -> Tensor:
    """Return no network."""
    return torch.zeros(3)
