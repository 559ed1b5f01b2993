"""Small networks on groups, and images, for tests of several rooms."""

from collections.abc import Iterator

import torch
from torch import Tensor, nn

from symscape.config.groups import SymmetryConfig
from symscape.config.network.lie import GroupConfig, KernelConfig
from symscape.config.network.model import ModelConfig
from symscape.landscape.batchnorm import reset_statistics
from symscape.layers.lie.norm import TiedBatchNorm, TiedLayerNorm
from symscape.models.build import build_network

NAMES = ("ckgresnet", "ckgcnn", "ckgallcnnc")
CASES = {
    "se2": (GroupConfig("se2", rotations=8), "separable"),
    "se2,6": (GroupConfig("se2", rotations=6), "nonseparable"),
    "p4": (GroupConfig("se2", rotations=4), "pixels"),
    "e2": (GroupConfig("e2", rotations=4), "gseparable"),
    "scale": (GroupConfig("scale"), "dgseparable"),
    "sim2": (GroupConfig("sim2", rotations=4, scales=2), "separable+2d"),
    "none": (GroupConfig(), "pixels"),
}
VARIANTS = [
    *(("ckgresnet", case) for case in CASES),
    *((model, case) for model in NAMES[1:] for case in ("se2", "sim2")),
]
"""Every group, and every network."""


class Fixed:
    """The same images again and again, in batches."""

    def __init__(self, count: int = 12, size: tuple[int, int] = (20, 20), seed: int = 0) -> None:
        generator = torch.Generator().manual_seed(seed)
        x = torch.randn(count, 1, *size, generator=generator, dtype=torch.float64)
        self.x = x.cumsum(3) / 3  # Upright: rows are unlike columns.
        self.y = torch.randint(5, (count,), generator=generator)

    def __iter__(self) -> Iterator[tuple[Tensor, Tensor]]:
        yield from zip(self.x.split(6), self.y.split(6), strict=True)


def network(
    case: str = "se2",
    model: str = "ckgresnet",
    *,
    kernel: str | None = None,
    seed: int = 0,
    image: tuple[int, int] = (20, 20),
    dtype: torch.dtype = torch.float64,
    **options,
) -> nn.Module:
    """A network without dead channels whose norms have seen images; in eval mode."""
    group, usual = CASES[case]
    net = build_network(
        ModelConfig(model, **{"width": 1 + (model != "ckgallcnnc"), "kernel_size": 3, **options}),
        SymmetryConfig(),
        in_channels=1,
        classes=5,
        seed=seed,
        image=image,
        group=group,
        kernel=KernelConfig(kernel or usual, hidden=6),
    ).to(dtype)
    generator = torch.Generator().manual_seed(seed)
    with torch.no_grad():
        for norm in net.modules():
            if isinstance(norm, TiedBatchNorm | TiedLayerNorm | nn.BatchNorm1d):
                norm.bias += 0.6 + 0.1 * torch.randn(norm.bias.shape, generator=generator)
                norm.weight += 0.1 * torch.randn(norm.weight.shape, generator=generator)
    batches = [(x.to(dtype), y) for x, y in Fixed(size=image, seed=seed + 100)]
    reset_statistics(net.eval(), batches)
    return net


def state(net: nn.Module) -> dict[str, Tensor]:
    return {name: tensor.clone() for name, tensor in net.state_dict().items()}
