"""Random graphs of operations, small enough to check by the hundred."""

from __future__ import annotations

import random
from collections.abc import Callable

import torch
from torch import Tensor, nn
from torch.nn import functional as F  # noqa: N812

from tests.models.permutations.nets import conv

Step = Callable[[nn.ModuleList, list[Tensor]], Tensor]


class Graph(nn.Module):
    """Steps, each of which reads maps (N, C, H, W) made so far and adds one."""

    def __init__(self, seed: int, count: int = 8) -> None:
        super().__init__()
        self.random = random.Random(seed)
        self.layers, self.steps = nn.ModuleList([conv(3, 8)]), list[Step]()
        self.widths = [8]
        for _ in range(count):
            self.add()
        self.head = nn.Linear(self.widths[-1] + self.widths[-2], 5)

    def add(self) -> None:
        """Add a random step, on late maps more often than on early ones."""
        i = max(self.random.randrange(len(self.widths)) for _ in range(2))
        kind = self.random.choice(sorted(KINDS))
        step, width = KINDS[kind](self, i, self.widths[i])
        self.steps.append(step)
        self.widths.append(width)

    def layer(self, layer: nn.Module) -> int:
        """Keep a layer; return where."""
        self.layers.append(layer)
        return len(self.layers) - 1

    def partner(self, width: int) -> int:
        """Return a map of a width, which some map has."""
        return self.random.choice([j for j, w in enumerate(self.widths) if w == width])

    def forward(self, x: Tensor) -> Tensor:
        maps = [self.layers[0](x)]
        for step in self.steps:
            maps.append(step(self.layers, maps))
        return self.head(torch.cat(maps[-2:], 1).mean((2, 3)))


def layered(make: Callable[[Graph, int], tuple[nn.Module, int]]):
    """A step that is one layer."""

    def step(graph: Graph, i: int, width: int) -> tuple[Step, int]:
        layer, out = make(graph, width)
        at = graph.layer(layer)
        return (lambda layers, maps: layers[at](maps[i])), out

    return step


def on_one(function: Callable[[Tensor], Tensor], out: Callable[[int], int] = lambda w: w):
    """A step that is a function of one map."""

    def step(graph: Graph, i: int, width: int) -> tuple[Step, int]:
        return (lambda layers, maps: function(maps[i])), out(width)

    return step


def on_two(function: Callable[[Tensor, Tensor], Tensor]):
    """A step that is a function of two maps of one width."""

    def step(graph: Graph, i: int, width: int) -> tuple[Step, int]:
        j = graph.partner(width)
        return (lambda layers, maps: function(maps[i], maps[j])), width

    return step


def any_two(graph: Graph, i: int, width: int) -> tuple[Step, int]:
    j = graph.random.randrange(len(graph.widths))
    return (lambda layers, maps: torch.cat([maps[i], maps[j]], 1)), width + graph.widths[j]


def divisor(graph: Graph, width: int) -> int:
    return graph.random.choice([g for g in (1, 2, 3, 4) if width % g == 0])


def grouped(graph: Graph, width: int) -> tuple[nn.Module, int]:
    groups = divisor(graph, width)
    out = groups * graph.random.choice([1, 2, 3])
    return conv(width, out, graph.random.choice([1, 3]), groups=groups), out


def plain(graph: Graph, width: int) -> tuple[nn.Module, int]:
    out = graph.random.choice([4, 6, 8])
    return conv(width, out), out


def attention(graph: Graph, i: int, width: int) -> tuple[Step, int]:
    heads = divisor(graph, width)
    at = graph.layer(nn.Linear(width, 3 * width))

    def step(layers: nn.ModuleList, maps: list[Tensor]) -> Tensor:
        x = maps[i]
        q, k, v = (
            t.unflatten(-1, (heads, -1)).transpose(1, 2)
            for t in layers[at](x.flatten(2).mT).chunk(3, -1)
        )
        y = F.scaled_dot_product_attention(q, k, v).transpose(1, 2).flatten(2)
        return y.mT.reshape(x.shape)

    return step, width


def mixed(x: Tensor, groups: int) -> Tensor:
    return x.unflatten(1, (groups, -1)).transpose(1, 2).flatten(1, 2)


def shuffle(graph: Graph, i: int, width: int) -> tuple[Step, int]:
    groups = divisor(graph, width)
    return (lambda layers, maps: mixed(maps[i], groups)), width


def gate(graph: Graph, i: int, width: int) -> tuple[Step, int]:
    at = graph.layer(nn.Conv2d(width, width, 1))
    return (lambda layers, maps: maps[i] * layers[at](maps[i].mean((2, 3), True)).sigmoid()), width


def norm_of_last(graph: Graph, i: int, width: int) -> tuple[Step, int]:
    at = graph.layer(nn.LayerNorm(width))
    return (lambda layers, maps: layers[at](maps[i].movedim(1, -1)).movedim(-1, 1)), width


def flat(graph: Graph, i: int, width: int) -> tuple[Step, int]:
    at = graph.layer(nn.Linear(width * 36, 6))

    def step(layers: nn.ModuleList, maps: list[Tensor]) -> Tensor:
        return layers[at](maps[i].flatten(1))[..., None, None].expand(-1, -1, 6, 6)

    return step, 6


KINDS: dict[str, Callable[[Graph, int, int], tuple[Step, int]]] = {
    "conv": layered(plain),
    "grouped": layered(grouped),
    "depthwise": layered(lambda g, w: (conv(w, w, groups=w), w)),
    "batch norm": layered(lambda g, w: (nn.BatchNorm2d(w), w)),
    "group norm": layered(lambda g, w: (nn.GroupNorm(divisor(g, w), w), w)),
    "prelu": layered(lambda g, w: (nn.PReLU(w), w)),
    "relu": on_one(F.relu),
    "softmax": on_one(lambda x: x.softmax(1)),
    "square": on_one(lambda x: x * x),
    "pool": on_one(lambda x: F.avg_pool2d(x, 3, 1, 1)),
    "flip": on_one(lambda x: x.flip(1)),
    "flip pixels": on_one(lambda x: x.flip(3)),
    "roll": on_one(lambda x: x.roll(1, 1)),
    "sum": on_one(lambda x: x - x.mean(1, keepdim=True)),
    "cumsum": on_one(lambda x: x.cumsum(1)),
    "first half": on_one(lambda x: x[:, : (x.shape[1] + 1) // 2], lambda w: (w + 1) // 2),
    "every second": on_one(lambda x: x[:, ::2], lambda w: (w + 1) // 2),
    "repeat": on_one(lambda x: x.repeat_interleave(2, 1), lambda w: 2 * w),
    "pad": on_one(lambda x: F.pad(x, (0, 0, 0, 0, 1, 1)), lambda w: w + 2),
    "ramp": on_one(lambda x: x * torch.arange(1.0, x.shape[1] + 1, dtype=x.dtype)[:, None, None]),
    "transposed": on_one(lambda x: x.mT),
    "add": on_two(lambda x, y: x + y),
    "multiply": on_two(lambda x, y: x * y.tanh()),
    "maximum": on_two(torch.maximum),
    "product": on_two(lambda x, y: x @ y / 6),
    "cat": any_two,
    "attention": attention,
    "shuffle": shuffle,
    "gate": gate,
    "layer norm": norm_of_last,
    "flat": flat,
}
