"""Images, and networks whose answers to them are known."""

from itertools import product

import torch
from torch import nn


def images(count=12, channels=2, height=8, width=8, seed=0):
    generator = torch.Generator().manual_seed(seed)
    return torch.randn(
        count, channels, height, width, dtype=torch.float64, generator=generator
    ).contiguous(memory_format=torch.channels_last)


def labels(count=12, classes=3, seed=1):
    return torch.randint(classes, (count,), generator=torch.Generator().manual_seed(seed))


def small_network(classes=3, channels=2, seed=0, bias=0.0):
    """A strided network that is not invariant; `bias` of its first class steadies the answers."""
    torch.manual_seed(seed)
    convolution = nn.Conv2d(channels, 4, 3, stride=2, padding=1)
    head = nn.Linear(64, classes)
    with torch.no_grad():
        head.bias[0] += bias
    return nn.Sequential(convolution, nn.ReLU(), nn.Flatten(), head).double().eval()


def two_logits(score):
    """A network of two classes whose odds are exp(score)."""
    return lambda x: torch.stack([score(x), torch.zeros_like(score(x))], 1)


def corner_sign(x):
    return 1e3 * x[:, 0, 0, 0].sign()


def by_loops(x, shifts, edge):
    """Moved images built pixel by pixel, (0, 0) left out."""
    _, _, height, width = x.shape

    def source(i, size):
        if edge == "circular":
            return i % size
        i = abs(i)
        return i if i < size else 2 * (size - 1) - i

    for dy, dx in product(range(-shifts, shifts + 1), repeat=2):
        if (dy, dx) != (0, 0):
            view = torch.empty_like(x)
            for i, j in product(range(height), range(width)):
                view[..., i, j] = x[..., source(i - dy, height), source(j - dx, width)]
            yield view
