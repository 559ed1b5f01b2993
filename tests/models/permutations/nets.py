"""Tiny networks, each with something that decides which of its channels may move."""

from __future__ import annotations

from collections.abc import Callable

import torch
from torch import Tensor, nn
from torch.nn import functional as F  # noqa: N812

SIZE = 12
"""Pixels of their images."""


class Net(nn.Module):
    """Layers by name, and a forward pass that a function writes."""

    def __init__(self, run: Callable[[Net, Tensor], Tensor], **layers: nn.Module) -> None:
        super().__init__()
        self.run = run
        for name, layer in layers.items():
            setattr(self, name, layer)

    def forward(self, x: Tensor) -> Tensor:
        return self.run(self, x)


def conv(i: int, o: int, k: int = 3, **options) -> nn.Conv2d:
    return nn.Conv2d(i, o, k, padding=options.pop("padding", k // 2), **options)


def after(middle: Callable[[Net, Tensor], Tensor], channels: int = 8, **layers: nn.Module) -> Net:
    """A stem, something in the middle, and a head on the mean over pixels."""

    def run(net: Net, x: Tensor) -> Tensor:
        return net.head(middle(net, net.stem(x)).mean((2, 3)))

    stem = nn.Sequential(conv(3, 8), nn.BatchNorm2d(8), nn.ReLU())
    return Net(run, stem=stem, head=nn.Linear(channels, 5), **layers)


def tokens(middle: Callable[[Net, Tensor], Tensor], width: int = 8, **layers: nn.Module) -> Net:
    """Patches of an image as tokens, something in the middle, and a head on their mean."""

    def run(net: Net, x: Tensor) -> Tensor:
        return net.head(middle(net, net.patch(x).flatten(2).mT).mean(1))

    return Net(run, patch=nn.Conv2d(3, width, 4, 4), head=nn.Linear(width, 5), **layers)


def heads(x: Tensor, count: int) -> Tensor:
    return x.unflatten(-1, (count, -1)).transpose(1, 2)


def own_attention(net: Net, x: Tensor) -> Tensor:
    q, k, v = (heads(t, 2) for t in net.qkv(x).chunk(3, -1))
    scores = (q @ k.mT / 2 + net.bias[:, None, None]).softmax(-1)
    return x + net.out((scores @ v).transpose(1, 2).flatten(2))


def rotary(net: Net, x: Tensor) -> Tensor:
    q, k, v = (heads(t, 2) for t in net.qkv(x).chunk(3, -1))
    angle = torch.arange(9.0, dtype=x.dtype)[:, None] * torch.tensor([1.0, 0.1], dtype=x.dtype)
    sin, cos = angle.sin(), angle.cos()

    def turned(t: Tensor) -> Tensor:
        a, b = t.chunk(2, -1)
        return torch.cat([a * cos - b * sin, a * sin + b * cos], -1)

    out = F.scaled_dot_product_attention(turned(q), turned(k), v)
    return x + net.out(out.transpose(1, 2).flatten(2))


def grouped_queries(net: Net, x: Tensor) -> Tensor:
    q, k, v = heads(net.q(x), 4), heads(net.k(x), 2), heads(net.v(x), 2)
    out = F.scaled_dot_product_attention(q, k.repeat_interleave(2, 1), v.repeat_interleave(2, 1))
    return x + net.out(out.transpose(1, 2).flatten(2))


def shifted(net: Net, x: Tensor) -> Tensor:
    y = torch.zeros_like(x)
    y[:, :2, 1:], y[:, 2:4, :-1], y[:, 4:] = x[:, :2, :-1], x[:, 2:4, 1:], x[:, 4:]
    return net.conv(y)


def recurrent(net: Net, x: Tensor) -> Tensor:
    h = net.first(x)
    for _ in range(3):
        h = torch.tanh(net.inner(h) + net.first(x))
    return h


def unet(net: Net, x: Tensor) -> Tensor:
    low = F.relu(net.down(x))
    up = F.interpolate(low, scale_factor=2, mode="bilinear", align_corners=False)
    return net.join(torch.cat([up, x], 1))


def squeeze(net: Net, x: Tensor) -> Tensor:
    return x * torch.sigmoid(net.wide(F.relu(net.narrow(x.mean((2, 3), keepdim=True)))))


def shuffled(net: Net, x: Tensor) -> Tensor:
    a, b = x.chunk(2, 1)
    y = torch.cat([a, net.conv(b)], 1)
    return y.unflatten(1, (2, 4)).transpose(1, 2).flatten(1, 2)


def tied(net: Net, x: Tensor) -> Tensor:
    y = F.relu(F.conv2d(x, net.conv.weight, padding=1))
    return F.conv_transpose2d(y, net.conv.weight, padding=1)


def gated(net: Net, x: Tensor) -> Tensor:
    return net.out(F.glu(net.wide(x), 1))


def scaled(net: Net, x: Tensor) -> Tensor:
    return x + net.scale * net.conv(x)


def standardised(net: Net, x: Tensor) -> Tensor:
    w = net.conv.weight
    w = (w - w.mean((1, 2, 3), keepdim=True)) / w.std((1, 2, 3), keepdim=True)
    return F.conv2d(x, w, padding=1)


def lstm(net: Net, x: Tensor) -> Tensor:
    return net.lstm(x)[0]


def pixels(net: Net, x: Tensor) -> Tensor:
    return net.conv(F.pixel_shuffle(net.wide(x), 2))


def mixer(net: Net, x: Tensor) -> Tensor:
    x = x + net.across(net.norm(x).mT).mT
    return x + net.along(net.norm(x))


def flat(net: Net, x: Tensor) -> Tensor:
    return net.b(F.relu(net.a(net.conv(x).flatten(1))))[..., None, None]


def gram(net: Net, x: Tensor) -> Tensor:
    y = x.flatten(2)
    return net.a((y @ y.mT / 100).flatten(1))[..., None, None]


NETS: dict[str, Callable[[], nn.Module]] = {
    "plain": lambda: after(lambda n, x: n.conv(x), conv=conv(8, 8)),
    "residual": lambda: after(lambda n, x: x + n.b(F.relu(n.a(x))), a=conv(8, 6), b=conv(6, 8)),
    "squeeze": lambda: after(squeeze, narrow=conv(8, 4, 1), wide=conv(4, 8, 1)),
    "depthwise": lambda: after(
        lambda n, x: n.b(F.relu6(n.a(x))), a=conv(8, 8, groups=8), b=conv(8, 8, 1)
    ),
    "multiplier": lambda: after(lambda n, x: n.a(x), 16, a=conv(8, 16, groups=8)),
    "groups": lambda: after(
        lambda n, x: n.b(F.relu(n.a(x))), a=conv(8, 12, groups=2), b=conv(12, 8)
    ),
    "groups twice": lambda: after(
        lambda n, x: n.b(F.relu(n.a(x))), a=conv(8, 8, groups=2), b=conv(8, 8, groups=4)
    ),
    "group norm": lambda: after(lambda n, x: n.norm(n.a(x)), a=conv(8, 8), norm=nn.GroupNorm(4, 8)),
    "group norms cross": lambda: after(
        lambda n, x: n.a(n.p(x) + n.q(x)), a=conv(8, 8), p=nn.GroupNorm(2, 8), q=nn.GroupNorm(4, 8)
    ),
    "instance norm": lambda: after(lambda n, x: n.norm(x), norm=nn.InstanceNorm2d(8, affine=True)),
    "prelu": lambda: after(lambda n, x: n.act(x), act=nn.PReLU(8)),
    "glu": lambda: after(gated, wide=conv(8, 12), out=conv(6, 8)),
    "layer scale": lambda: after(scaled, scale=nn.Parameter(torch.rand(8, 1, 1)), conv=conv(8, 8)),
    "standardised": lambda: after(standardised, conv=conv(8, 8)),
    "weight norm": lambda: after(
        lambda n, x: n.b(n.a(x)),
        a=nn.utils.parametrizations.weight_norm(conv(8, 6)),
        b=conv(6, 8),
    ),
    "unet": lambda: after(unet, down=conv(8, 6, stride=2), join=conv(14, 8)),
    "transposed": lambda: after(
        lambda n, x: n.b(F.relu(n.a(x))), a=nn.ConvTranspose2d(8, 6, 2, 2), b=conv(6, 8)
    ),
    "transposed groups": lambda: after(
        lambda n, x: n.b(F.relu(n.a(x))), a=nn.ConvTranspose2d(8, 6, 2, 2, groups=2), b=conv(6, 8)
    ),
    "tied": lambda: after(tied, conv=conv(8, 6)),
    "shared": lambda: after(lambda n, x: n.conv(F.relu(n.conv(x))), conv=conv(8, 8)),
    "recurrent": lambda: after(recurrent, first=conv(8, 8), inner=conv(8, 8)),
    "shuffled": lambda: after(shuffled, conv=conv(4, 4)),
    "time shift": lambda: after(shifted, conv=conv(8, 8)),
    "pixel shuffle": lambda: after(pixels, wide=conv(8, 16), conv=conv(4, 8)),
    "twice": lambda: after(lambda n, x: n.conv(torch.cat([x, x.relu()], 1)), conv=conv(16, 8)),
    "with image": lambda: Net(
        lambda n, x: n.head(n.conv(torch.cat([n.stem(x), x], 1)).mean((2, 3))),
        stem=conv(3, 8),
        conv=conv(11, 8),
        head=nn.Linear(8, 5),
    ),
    "flip": lambda: after(lambda n, x: n.conv(x + x.flip(1)), conv=conv(8, 8)),
    "roll": lambda: after(lambda n, x: n.conv(x + x.roll(1, 1)), conv=conv(8, 8)),
    "softmax": lambda: after(lambda n, x: n.conv(x.softmax(1)), conv=conv(8, 8)),
    "cumulative": lambda: after(lambda n, x: n.conv(x.cumsum(1)), conv=conv(8, 8)),
    "sorted": lambda: after(lambda n, x: n.conv(x.sort(1)[0]), conv=conv(8, 8)),
    "maximum": lambda: after(lambda n, x: n.conv(x) * x.max(1, keepdim=True)[0], conv=conv(8, 8)),
    "local response": lambda: after(
        lambda n, x: n.conv(F.local_response_norm(x, 3)), conv=conv(8, 8)
    ),
    "fft": lambda: after(lambda n, x: n.conv(torch.fft.fft2(x).abs()), conv=conv(8, 8)),
    "flat": lambda: after(flat, 5, conv=conv(8, 4), a=nn.Linear(4 * SIZE**2, 6), b=nn.Linear(6, 5)),
    "gram": lambda: after(gram, 6, a=nn.Linear(64, 6)),
    "bilinear": lambda: after(
        lambda n, x: n.b(x.mean((2, 3)), x.amax((2, 3)))[..., None, None], 6, b=nn.Bilinear(8, 8, 6)
    ),
    "encoder": lambda: tokens(
        lambda n, x: n.layer(x),
        layer=nn.TransformerEncoderLayer(8, 2, 12, batch_first=True, norm_first=True),
    ),
    "attention": lambda: tokens(
        own_attention,
        qkv=nn.Linear(8, 24),
        out=nn.Linear(8, 8),
        bias=nn.Parameter(torch.randn(2)),
    ),
    "rotary": lambda: tokens(rotary, qkv=nn.Linear(8, 24), out=nn.Linear(8, 8)),
    "grouped queries": lambda: tokens(
        grouped_queries,
        q=nn.Linear(8, 16),
        k=nn.Linear(8, 8),
        v=nn.Linear(8, 8),
        out=nn.Linear(16, 8),
    ),
    "lstm": lambda: tokens(lstm, lstm=nn.LSTM(8, 8, batch_first=True)),
    "gru": lambda: tokens(lambda n, x: n.gru(x)[0], gru=nn.GRU(8, 8, batch_first=True)),
    "mixer": lambda: tokens(
        mixer,
        norm=nn.LayerNorm(8),
        across=nn.Sequential(nn.Linear(9, 6), nn.GELU(), nn.Linear(6, 9)),
        along=nn.Sequential(nn.Linear(8, 6), nn.GELU(), nn.Linear(6, 8)),
    ),
}
HELD = {"sorted", "fft", "cumulative", "roll", "flip", "gram", "local response", "bilinear"} | {
    "groups twice",
    "group norms cross",
}
"""Where the stem's channels must stay, as far as the rules know."""
