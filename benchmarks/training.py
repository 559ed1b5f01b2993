"""`python benchmarks/training.py`: the training stack against its limit and the usual way.

(a) the whole stack behind train.py: Lightning, augmentation, metrics, weights along the way
(b) the limit: a bare PyTorch loop of the same network and precision on one resident batch
(c) the usual way: Lightning with a DataLoader of PIL transforms, contiguous float32, kernels
    projected by averaging group images in every forward pass

All three train in turn, `--rounds` times, in one process; medians are compared. Then the training
step and the evaluation of every tied symmetry against vanilla's, bare loops in turn, with the
multiplications and the peak memory. Images are random: speed does not depend on what they show.
"""

from __future__ import annotations

import symscape  # noqa: F401  # isort: skip  # before torch: it sets how threads wait

import argparse
import csv
import math
import random
import statistics
import tempfile
import time
from collections.abc import Callable
from concurrent.futures import ProcessPoolExecutor
from dataclasses import replace
from multiprocessing import get_context
from pathlib import Path
from typing import Any

import lightning.pytorch as pl
import torch
import usual_way
from rich.console import Console
from rich.table import Table
from timing import resident
from torch import Tensor, nn
from torch.nn import functional

from symscape.config.data import DataConfig
from symscape.config.groups import SchedulerConfig, SymmetryConfig, TrainerConfig
from symscape.config.network.model import ModelConfig
from symscape.config.train import TrainConfig
from symscape.data.images import ImageData, ImageSet
from symscape.layers.conv import SymmetricConv2d
from symscape.layers.effective import effective_network
from symscape.layers.evaluation import for_evaluation
from symscape.layers.plan import apply_plan, make_plan
from symscape.models.build import build_network
from symscape.models.resnet import STAGES
from symscape.runs.identity import identify
from symscape.training.fit import fit
from symscape.training.hardware import Hardware, resolve_hardware
from symscape.training.setup import Setup

WIDTHS = {"resnet20": 16, "resnet18": 64}
BATCH = 128
IMAGE = (3, 32, 32)
TIED = ("hflip", "vflip", "hvflip", "rot180", "diag", "rot90", "d4", "random")


def random_images(count: int) -> ImageData:
    """Return `count` random training images of CIFAR's shape, and few others."""
    generator = torch.Generator().manual_seed(0)

    def draw(n: int) -> ImageSet:
        pixels = torch.randint(0, 256, (n, 3, 32, 32), generator=generator, dtype=torch.uint8)
        return ImageSet(pixels, torch.randint(0, 10, (n,), generator=generator))

    classes = tuple(str(i) for i in range(10))
    return ImageData(draw(count), draw(500), draw(500), classes, (0.5,) * 3, (0.25,) * 3, "random")


def config_of(model: str, symmetry: str) -> TrainConfig:
    """Return what train.py would build for two epochs of a model, augmented."""
    return TrainConfig(
        trajectory=0,
        data=DataConfig(augment=True, batch_size=BATCH),
        model=ModelConfig(name=model),
        symmetry=SymmetryConfig(name=symmetry),
        scheduler=SchedulerConfig(name="onecycle"),
        trainer=TrainerConfig(max_epochs=2),
    )


def whole_stack(config: TrainConfig, data: ImageData, hardware: Hardware) -> float:
    """Return (a): images/s of the second epoch, as the run's own metrics say."""
    with tempfile.TemporaryDirectory() as folder:
        identity = replace(identify(config, data.content), folder=Path(folder))
        fit(Setup(config, identity, data, hardware), [], Console(quiet=True))
        with (Path(folder) / "metrics.csv").open() as file:
            return float(list(csv.DictReader(file))[-1]["images_per_second"])


def planned_network(config: TrainConfig, hardware: Hardware) -> nn.Module:
    """Return the config's network, its layers computing as a run would plan them."""
    network = build_network(config.model, config.symmetry, in_channels=3, classes=10, seed=0)
    plan = make_plan(
        network, (BATCH, *IMAGE), config.symmetry.compute, hardware.precision, hardware.device.type
    )
    apply_plan(network, {layer.name: layer.compute for layer in plan})
    return network


def bare_step(config: TrainConfig, hardware: Hardware) -> Callable[[], None]:
    """Return (b): one training step of the config's network on one resident batch."""
    device = hardware.device
    # (a) trains deterministically on a GPU; the limit need not.
    torch.use_deterministic_algorithms(False)
    torch.backends.cudnn.benchmark = True
    network = planned_network(config, hardware).to(device)
    images = torch.randn(BATCH, 3, 32, 32, device=device)
    images = images.contiguous(memory_format=torch.channels_last)
    labels = torch.randint(0, 10, (BATCH,), device=device)
    sgd = torch.optim.SGD(network.parameters(), lr=0.01, momentum=0.9, weight_decay=1e-4)
    reduced = hardware.precision == "bfloat16"

    def step() -> None:
        with torch.autocast(device.type, torch.bfloat16, enabled=reduced):
            logits = network(images)
        sgd.zero_grad()
        functional.cross_entropy(logits.float(), labels).backward()  # type: ignore[no-untyped-call]
        sgd.step()

    return step


def evaluation_pass(
    config: TrainConfig, hardware: Hardware, *, plain: bool = False
) -> Callable[[], None]:
    """Return a forward pass of the effective network, as the analyses evaluate it.

    With `plain` as PyTorch evaluates it: convolutions and norms one by one.
    """
    network = hardware.prepare(effective_network(planned_network(config, hardware)))
    if not plain:
        network = hardware.prepare(for_evaluation(network, hardware.precision))
    images = torch.randn(BATCH, *IMAGE, device=hardware.device)
    images = images.contiguous(memory_format=torch.channels_last)

    def forward() -> None:
        with torch.inference_mode():
            network(images)

    return forward


def synchronise(hardware: Hardware) -> None:
    """Wait for a GPU."""
    if hardware.accelerator == "gpu":
        torch.cuda.synchronize()


def seconds_a_step(
    step: Callable[[], None], steps: int, hardware: Hardware, warm_up: int = 2
) -> float:
    """Return the mean time of `steps` steps after `warm_up` others."""
    for _ in range(warm_up):
        step()
    synchronise(hardware)
    begin = time.perf_counter()
    for _ in range(steps):
        step()
    synchronise(hardware)
    return (time.perf_counter() - begin) / steps


def compare(model: str, steps: int, rounds: int, hardware: Hardware, console: Console) -> None:
    """Print the images/s of (a), (b), (c) for a model."""
    data = random_images(steps * BATCH)
    config, tied = config_of(model, "vanilla"), config_of(model, "rot90")
    bare = bare_step(config, hardware)
    figures: dict[str, list[float]] = {name: [] for name in ("a", "a rot90", "b", "c rot90")}
    for _ in range(rounds):
        figures["a"].append(whole_stack(config, data, hardware))
        figures["b"].append(BATCH / seconds_a_step(bare, steps, hardware))
        figures["a rot90"].append(whole_stack(tied, data, hardware))
        figures["c rot90"].append(
            usual_way.images_per_second(STAGES[model], WIDTHS[model], data.train, BATCH)
        )
    table = Table(title=f"{model}, batch {BATCH}, {hardware.name}, {hardware.precision}")
    for column in ("", "images/s median", "min", "max"):
        table.add_column(column, justify="right")
    for name, values in figures.items():
        row = (statistics.median(values), min(values), max(values))
        table.add_row(name, *(f"{value:,.0f}" for value in row))
    console.print(table)
    median = {name: statistics.median(values) for name, values in figures.items()}
    console.print(f"a / b = {median['a'] / median['b']:.3f}  (to reach: 0.95)")
    console.print(
        f"a / c = {median['a rot90'] / median['c rot90']:.2f}, both rot90  (to reach: 2.3)"
    )


def multiplications(network: nn.Module) -> float:
    """Return the multiplications of all convolutions in the forward pass of one image."""
    counts = []

    def count(module: Any, _: object, y: Tensor) -> None:
        folds = isinstance(module, SymmetricConv2d) and module.compute == "fold"
        taps = module.dimension if folds else math.prod(module.kernel_size)
        counts.append(y.numel() * module.in_channels // module.groups * taps)

    for module in network.modules():
        if isinstance(module, nn.Conv2d | SymmetricConv2d):
            module.register_forward_hook(count)
    with torch.no_grad():
        network.eval()(torch.zeros(1, *IMAGE))
    return float(sum(counts))


def peak_memory(config: TrainConfig, hardware: Hardware) -> float:
    """Return the peak memory in MiB that training steps add to a process of their own."""
    with ProcessPoolExecutor(1, get_context("spawn")) as process:
        return process.submit(_added_memory, config, hardware).result()


def _added_memory(config: TrainConfig, hardware: Hardware) -> float:
    if hardware.accelerator == "gpu":
        step = bare_step(config, hardware)
        seconds_a_step(step, 3, hardware)
        return torch.cuda.max_memory_allocated() / 2**20
    before = resident("VmRSS")
    seconds_a_step(bare_step(config, hardware), 3, hardware)
    return resident("VmHWM") - before


def compare_symmetries(
    model: str, symmetries: list[str], steps: int, hardware: Hardware, console: Console
) -> None:
    """Print a training step of each tied symmetry relative to vanilla's.

    Two steps of each in turn, in a random order: a machine whose speed drifts treats all alike. The
    second counts: where a network trains or is evaluated alone, its data are where it left them.
    """
    # Vanilla twice: how far apart two equal networks come out is the error of the others.
    names = ["vanilla", *symmetries, "vanilla"]
    configs = [config_of(model, name) for name in names]
    loops = [make(config, hardware) for make in (bare_step, evaluation_pass) for config in configs]
    loops.append(evaluation_pass(configs[0], hardware, plain=True))
    times: list[list[float]] = [[] for _ in loops]
    order = random.Random(0)
    for _ in range(steps):
        for i in order.sample(range(len(loops)), len(loops)):
            times[i].append(seconds_a_step(loops[i], 1, hardware, warm_up=1))
    loops.clear()
    medians = [statistics.median(values[1:]) for values in times]
    columns = {
        "step": medians[: len(names)],
        "evaluation": medians[len(names) : -1],
        "multiplications": [multiplications(planned_network(c, hardware)) for c in configs],
        "peak memory": [peak_memory(config, hardware) for config in configs],
    }
    table = Table(title=f"{model}, batch {BATCH}, {hardware.precision}: relative to vanilla")
    for column in ("symmetry", "ms median", *columns):
        table.add_column(column, justify="right")
    names[-1] = "vanilla again"
    for i, name in enumerate(names):
        row = [f"{values[i] / values[0]:.3f}" for values in columns.values()]
        table.add_row(name, f"{columns['step'][i] * 1e3:.1f}", *row)
    console.print(table)
    # Vanilla is evaluated with its norms merged, too; this is what PyTorch makes of it.
    ratio = medians[-1] / columns["evaluation"][0]
    console.print(f"evaluation of the plain nn.Conv2d network: {ratio:.3f} of vanilla's here")


def main() -> None:
    """Measure what the arguments name."""
    parser = argparse.ArgumentParser(description=(__doc__ or "").splitlines()[0])
    parser.add_argument("--models", nargs="+", default=list(WIDTHS), choices=list(WIDTHS))
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument("--steps", type=int, default=None, help="steps an epoch and a timing")
    parser.add_argument("--precision", default="auto")
    parser.add_argument("--symmetries", nargs="+", default=list(TIED), choices=list(TIED))
    parser.add_argument("--skip", nargs="*", default=[], choices=["stack", "symmetries"])
    arguments = parser.parse_args()
    console = Console(width=100)
    pl.seed_everything(0, verbose=False)
    hardware = resolve_hardware(TrainerConfig(precision=arguments.precision), {})
    for model in arguments.models:
        steps = arguments.steps or (60 if model == "resnet20" else 8)
        if "stack" not in arguments.skip:
            compare(model, steps, arguments.rounds, hardware, console)
        if "symmetries" not in arguments.skip:
            steps = 1 + 8 * arguments.rounds
            compare_symmetries(model, arguments.symmetries, steps, hardware, console)


if __name__ == "__main__":
    main()
