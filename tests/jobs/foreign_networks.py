"""Networks that nobody here trained, as a user writes them, and weights of them in files."""

from collections import OrderedDict
from pathlib import Path

import torch
from safetensors.torch import save_file
from torch import nn

from symscape.config.analysis import PlaceConfig

DIGITS = {"data": PlaceConfig(name="digits")}


class Attentive(nn.Module):
    """Patches, LayerNorm and attention; torch.fx cannot trace it."""

    def __init__(self, width: int = 8):
        super().__init__()
        self.patch = nn.Conv2d(1, width, 8, 8)
        self.layer = nn.TransformerEncoderLayer(
            width, 2, 16, dropout=0.1, batch_first=True, norm_first=True
        )
        self.norm, self.head = nn.LayerNorm(width), nn.Linear(width, 10)
        self.unused = nn.Linear(3, 3)

    def forward(self, x):
        x = self.patch(x).flatten(2).transpose(1, 2)
        if x.isfinite().all():  # Depends on values.
            x = self.layer(x)
        return self.head(self.norm(x).mean(1))


class Pair(nn.Module):
    """Answers with two things."""

    def __init__(self):
        super().__init__()
        self.conv = nn.Conv2d(1, 10, 3)

    def forward(self, x):
        return self.conv(x).mean((2, 3)), x


class Frozen(nn.Module):
    """A norm whose statistics are constants, under the names of BatchNorm's."""

    def __init__(self, width: int):
        super().__init__()
        self.register_buffer("running_mean", torch.rand(width))
        self.register_buffer("running_var", 1 + torch.rand(width))

    def forward(self, x):
        return (x - self.running_mean.view(-1, 1, 1)) / self.running_var.view(-1, 1, 1)


def depthwise(width: int = 4, norm: type[nn.Module] = nn.BatchNorm2d, classes: int = 10):
    return nn.Sequential(
        OrderedDict(
            stem=nn.Conv2d(1, width, 3, 2, 1),
            norm=norm(width),
            act=nn.ReLU(),
            depthwise=nn.Conv2d(width, width, 3, 1, 1, groups=width),
            act2=nn.SiLU(),
            pool=nn.AdaptiveAvgPool2d(2),
            flat=nn.Flatten(),
            head=nn.Linear(4 * width, classes),
        )
    )


def convolutional():
    return depthwise()


def grouped():
    return depthwise(norm=lambda width: nn.GroupNorm(2, width))


def frozen():
    return depthwise(norm=Frozen)


def attentive():
    return Attentive()


def pair():
    return Pair()


def dictionary():
    net = depthwise()
    net.register_forward_hook(lambda module, inputs, answer: {"logits": answer})
    return net


def dense():
    return nn.Conv2d(1, 10, 3, padding=1)


def twelve():
    return depthwise(classes=12)


def large():
    return nn.Sequential(nn.Conv2d(1, 10, 40), nn.Flatten())


def by_the_batch():
    return depthwise(norm=lambda width: nn.BatchNorm2d(width, track_running_stats=False))


def fails():
    raise RuntimeError("no such luck\nat all")


def number():
    return 7


def _trained(name: str, value: torch.Tensor) -> torch.Tensor:
    """Return weights that matter more than those of a new network, and statistics of something."""
    if name.endswith(("running_mean", "running_var")):
        return 0.5 + torch.rand(value.shape)
    return value.clone() * (3 if value.ndim > 1 else 1)


def write_weights(folder: Path, make, seed: int, name: str) -> Path:
    """Write a network's weights, with some statistics, as its user's programs do."""
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(seed)
        state = {name: _trained(name, value) for name, value in make().state_dict().items()}
    path = folder / name
    if path.suffix == ".safetensors":
        save_file(state, path)
    else:
        torch.save({"state_dict": {f"module.{k}": v for k, v in state.items()}, "epoch": 3}, path)
    return path
