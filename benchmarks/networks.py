"""`python benchmarks/networks.py`: a training step of a library's network, tied against vanilla.

Steps of both take turns in one process, in a random order; the median of each is compared. Layers
fold where a run of them would. Images are random: speed does not depend on what they show.
"""

from __future__ import annotations

import symscape  # noqa: F401  # isort: skip  # before torch: it sets how threads wait

import argparse
import random
import statistics
from collections.abc import Callable

import torch
from rich.console import Console
from timing import seconds
from torch.nn import functional

from symscape.config.groups import SymmetryConfig, TrainerConfig
from symscape.config.network.model import ModelConfig
from symscape.layers.folding.processor import processor
from symscape.layers.plan import apply_plan, make_plan
from symscape.models.build import build_network
from symscape.training.hardware import Hardware, resolve_hardware

CLASSES = 10
TO_REACH = 0.75
"""Of rot90 in bfloat16, for a ResNet-18 on images of 64 pixels."""


def step_of(
    name: str, symmetry: str, size: int, batch: int, hardware: Hardware, compute: str
) -> tuple[Callable[[], None], str]:
    """Return one training step of a network on one resident batch, and how many layers fold."""
    model, obeys = ModelConfig("network", network=name), SymmetryConfig(symmetry)
    network = build_network(model, obeys, in_channels=3, classes=CLASSES, seed=0)
    shape = (batch, 3, size, size)
    plan = make_plan(network, shape, compute, hardware.precision, hardware.device.type)
    apply_plan(network, {layer.name: layer.compute for layer in plan})
    network.to(hardware.device, hardware.dtype)
    images = torch.randn(shape, device=hardware.device, dtype=hardware.dtype)
    images = images.contiguous(memory_format=torch.channels_last)
    labels = torch.randint(0, CLASSES, (batch,), device=hardware.device)
    sgd = torch.optim.SGD(network.parameters(), lr=1e-3, momentum=0.9)
    reduced = hardware.precision == "bfloat16"

    def step() -> None:
        with torch.autocast(hardware.device.type, torch.bfloat16, enabled=reduced):
            logits = network(images)
        sgd.zero_grad()
        functional.cross_entropy(logits.float(), labels).backward()  # type: ignore[no-untyped-call]
        sgd.step()

    folds = sum(layer.compute == "fold" for layer in plan)
    return step, f"{folds} of {len(plan)} tied layers fold"


def main() -> None:
    """Measure what the arguments name."""
    parser = argparse.ArgumentParser(description=(__doc__ or "").splitlines()[0])
    parser.add_argument("--network", default="torchvision/resnet18")
    parser.add_argument("--symmetry", default="rot90")
    parser.add_argument("--size", type=int, default=64)
    parser.add_argument("--batch", type=int, default=128)
    parser.add_argument("--precision", default="auto")
    parser.add_argument("--compute", default="auto", choices=["auto", "direct", "fold"])
    parser.add_argument("--rounds", type=int, default=7)
    arguments = parser.parse_args()
    hardware = resolve_hardware(TrainerConfig(precision=arguments.precision), {})
    shape = (arguments.size, arguments.batch, hardware, arguments.compute)
    made = {
        name: step_of(arguments.network, name, *shape) for name in ("vanilla", arguments.symmetry)
    }
    times: dict[str, list[float]] = {name: [] for name in made}
    order = random.Random(0)
    for _ in range(1 + arguments.rounds):
        for name in order.sample(list(made), len(made)):
            times[name].append(seconds(made[name][0]))
    medians = {name: statistics.median(values[1:]) for name, values in times.items()}
    console = Console(width=100)
    kind = processor() if hardware.device.type == "cpu" else ""
    console.print(
        f"{arguments.network}, {arguments.size} px, batch {arguments.batch}, {hardware.name} "
        f"{kind}, {hardware.precision}; {made[arguments.symmetry][1]}"
    )
    for name, median in medians.items():
        spread = f"{min(times[name][1:]) * 1e3:.0f} to {max(times[name][1:]) * 1e3:.0f}"
        console.print(f"{name:8} {median * 1e3:7.1f} ms a step (median; {spread})")
    ratio = medians[arguments.symmetry] / medians["vanilla"]
    console.print(f"{arguments.symmetry} / vanilla = {ratio:.3f}  (to reach: {TO_REACH})")


if __name__ == "__main__":
    main()
