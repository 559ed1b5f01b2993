"""`python benchmarks/interpolation.py`: what a curve and an alignment cost, and what they find.

On scikit-learn's digits, with networks trained for a few steps. Each ratio is from one run:
- a curve against the bare forward passes that it needs (same images, precision, layout);
- a curve against the usual loop: a state dict loaded a point, a DataLoader of PIL transforms, one
  train-mode pass for the statistics, evaluation at batch 128 in contiguous float32, a Python float
  a batch; both in turn, and the largest difference of their losses;
- alignment by activations against one pass over its images.
"""

from __future__ import annotations

import symscape  # noqa: F401  # isort: skip  # before torch: it sets how threads wait

import argparse
import statistics

import torch
from rich.console import Console
from rich.table import Table
from timing import seconds
from torch import Tensor, nn
from torch.nn import functional
from torch.utils.data import DataLoader, Dataset
from torchvision.transforms import v2

from symscape.config.data import DataConfig
from symscape.config.groups import SYMMETRIES, SymmetryConfig, TrainerConfig
from symscape.config.network.model import ModelConfig
from symscape.data.batches import Batches
from symscape.data.images import ImageData, ImageSet
from symscape.data.load import load_data
from symscape.landscape.alignment import match_activations
from symscape.landscape.batchnorm import STATISTICS_BATCH
from symscape.landscape.interpolation import Line, line_points
from symscape.layers.effective import stored_state
from symscape.layers.evaluation import for_evaluation
from symscape.layers.factory import initialise
from symscape.models.build import build_network, build_plain
from symscape.models.permutations import permutation_spec
from symscape.training.hardware import Hardware, resolve_hardware

State = dict[str, Tensor]
WIDTHS = {"resnet20": 16, "resnet18": 64}
IMAGES = {"resnet20": 3000, "resnet18": 1000}
ALIGNMENT_BATCH = 100


def new_network(name: str, seed: int, channels: int = 1, width: int | None = None) -> nn.Module:
    """Return an initialised plain network for ten classes."""
    network = build_plain(ModelConfig(name=name, width=width), in_channels=channels, classes=10)
    initialise(network, seed, "matched")
    return network


def trained(
    name: str,
    data: ImageData,
    hardware: Hardware,
    seed: int,
    steps: int,
    symmetry: str = "vanilla",
) -> State:
    """Return a plain network that has learned something: barriers of untrained ones are no test."""
    obeys = SymmetryConfig(symmetry)
    built = build_network(ModelConfig(name), obeys, in_channels=1, classes=10, seed=seed)
    network = hardware.prepare(built).train()
    optimizer = torch.optim.SGD(network.parameters(), lr=0.05, momentum=0.9)
    batches = Batches(
        data.train,
        batch_size=64,
        mean=data.mean,
        std=data.std,
        device=hardware.device,
        seed=seed,
        shuffle=True,
        limit=steps,
    )
    for x, y in batches:
        loss = functional.cross_entropy(network(x).float(), y)
        optimizer.zero_grad()
        loss.backward()  # type: ignore[no-untyped-call]
        optimizer.step()
    return stored_state(network)


def enlarged(images: ImageSet, count: int) -> ImageSet:
    """Return `count` images, repeated as often as needed."""
    rows = torch.arange(count) % len(images)
    return images.subset(rows)


class Pictures(Dataset[tuple[Tensor, int]]):
    """The usual data set: PIL images through transforms, one at a time."""

    def __init__(self, images: ImageSet, data: ImageData) -> None:
        self.pictures = [v2.functional.to_pil_image(image) for image in images.images]
        self.labels = images.labels.tolist()
        to_float = [v2.PILToTensor(), v2.ToDtype(torch.float32, scale=True)]
        self.transform = v2.Compose([*to_float, v2.Normalize(data.mean, data.std)])

    def __len__(self) -> int:
        return len(self.labels)

    def __getitem__(self, index: int) -> tuple[Tensor, int]:
        return self.transform(self.pictures[index]), self.labels[index]


def usual_curve(
    network: nn.Module,
    a: State,
    b: State,
    alphas: list[float],
    data: Pictures,
    device: torch.device,
) -> list[float]:
    """Return the losses on a line as they are usually computed."""
    losses = []
    for alpha in alphas:
        mixed = {k: t + alpha * (b[k] - t) if t.is_floating_point() else t for k, t in a.items()}
        network.load_state_dict(mixed)
        network.train()
        for module in network.modules():
            if isinstance(module, nn.BatchNorm2d):
                module.reset_running_stats()
                module.momentum = None
        with torch.no_grad():
            for x, _ in DataLoader(data, STATISTICS_BATCH, num_workers=2):
                network(x.to(device))
            network.eval()
            total, count = 0.0, 0
            for x, y in DataLoader(data, 128, num_workers=2):
                loss = functional.cross_entropy(network(x.to(device)), y.to(device))
                total, count = total + loss.item() * len(y), count + len(y)
        losses.append(total / count)
    return losses


def curve_costs(
    name: str, symmetry: str, rounds: int, points: int, count: int, precision: str, console: Console
) -> None:
    """Print what a curve costs against bare passes and against the usual loop."""
    data = load_data(DataConfig(name="digits"))
    hardware = resolve_hardware(TrainerConfig(precision=precision), {})
    a, b = (trained(name, data, hardware, seed, 60, symmetry) for seed in (0, 1))
    images = enlarged(data.train, count)

    def batches(size: int) -> Batches:
        options = {"mean": data.mean, "std": data.std, "device": hardware.device}
        return Batches(images, batch_size=size, shuffle=False, **options)  # type: ignore[arg-type]

    network = hardware.prepare(new_network(name, 0))
    forward = hardware.prepare(for_evaluation(network, hardware.precision))
    splits = {"train": batches(500)}
    line = Line(network, splits, statistics=batches(STATISTICS_BATCH), forward=forward)
    alphas = line_points(points)
    ready = [x for x, _ in batches(500)]
    plain = new_network(name, 0).to(memory_format=torch.contiguous_format).to(hardware.device)
    pictures = Pictures(images, data)
    losses: dict[str, list[float]] = {}

    def ours() -> None:
        losses["ours"] = [p["train"].loss for p in line.measure(a, b, alphas)]

    @torch.inference_mode()
    def bare() -> None:
        for _ in alphas:
            network.train()
            for x in ready:
                network(x)
            network.eval()
            for x in ready:
                network(x)

    def usual() -> None:
        losses["usual"] = usual_curve(plain, a, b, alphas, pictures, hardware.device)

    times: dict[str, list[float]] = {"ours": [], "bare": [], "usual": []}
    for call in (ours, bare):
        call()
    for _ in range(rounds):
        for key, call in (("ours", ours), ("bare", bare), ("usual", usual)):
            times[key].append(seconds(call))
    middle = {key: statistics.median(values) for key, values in times.items()}
    difference = max(abs(x - y) for x, y in zip(losses["ours"], losses["usual"], strict=True))
    title = f"{name}, {symmetry}, {hardware.precision}: {points} points, {count:,} images"
    table = Table(title=title)
    names = ("curve s", "bare passes s", "curve / bare", "usual s", "usual / curve")
    for column in (*names, "largest difference"):
        table.add_column(column, justify="right")
    table.add_row(
        f"{middle['ours']:.2f}",
        f"{middle['bare']:.2f}",
        f"{middle['ours'] / middle['bare']:.3f}",
        f"{middle['usual']:.2f}",
        f"{middle['usual'] / middle['ours']:.2f}",
        f"{difference:.1e} of {max(losses['usual']):.2f}",
    )
    console.print(table)


def alignment_cost(name: str, rounds: int, console: Console) -> None:
    """Print what an alignment by activations costs in passes of one network over its images."""
    data = load_data(DataConfig(name="digits"))
    hardware = resolve_hardware(TrainerConfig(), {})
    a, b = (hardware.prepare(new_network(name, seed)) for seed in (0, 1))
    images = enlarged(data.train, 2 * IMAGES[name])
    batches = Batches(
        images,
        batch_size=ALIGNMENT_BATCH,
        mean=data.mean,
        std=data.std,
        device=hardware.device,
        shuffle=False,
    )
    spec = permutation_spec(a)

    @torch.inference_mode()
    def one_pass() -> None:
        for x, _ in batches:
            a(x)

    one_pass()
    passes, aligned = [], []
    for _ in range(rounds):
        passes.append(seconds(one_pass))
        aligned.append(seconds(lambda: match_activations(a, b, spec, batches)))
    ratio = statistics.median(aligned) / statistics.median(passes)
    console.print(
        f"{name}: alignment by activations over {len(images):,} images "
        f"{statistics.median(aligned):.2f} s, {ratio:.2f} passes of one network"
    )


def main() -> None:
    """Run the parts that are asked for."""
    parser = argparse.ArgumentParser(description=(__doc__ or "").splitlines()[0])
    parts = ["curve", "alignment"]
    parser.add_argument("--parts", nargs="+", default=parts, choices=parts)
    parser.add_argument("--models", nargs="+", default=list(WIDTHS), choices=list(WIDTHS))
    parser.add_argument("--symmetry", default="vanilla", choices=SYMMETRIES, help="of both ends")
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument("--points", type=int, default=5)
    parser.add_argument("--images", type=int, help="of a curve; None: as many as take minutes")
    parser.add_argument("--precision", default="auto", choices=["auto", "float32", "bfloat16"])
    arguments = parser.parse_args()
    console = Console(width=100, highlight=False)
    for name in arguments.models:
        if "curve" in arguments.parts:
            count = arguments.images or IMAGES[name]
            precision = arguments.precision
            sizes = (arguments.rounds, arguments.points, count)
            curve_costs(name, arguments.symmetry, *sizes, precision, console)
        if "alignment" in arguments.parts:
            alignment_cost(name, arguments.rounds, console)


if __name__ == "__main__":
    main()
