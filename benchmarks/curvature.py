"""`python benchmarks/curvature.py`: what Hessian products, eigenvalues and traces cost.

On scikit-learn's digits. Each ratio is from one run:
- a Hessian product with its graph kept, and without, in gradients;
- products until the top eigenvalue is known to 1e-3 at a gap of 0.99 (a made-up spectrum), beside
  power iteration with its usual stop rule: successive estimates that agree to 1e-3;
- the same on a trained network, beside curvlinops with SciPy's eigsh at its defaults;
- the error of the trace after 100 products, beside 700 of Hutchinson's (a made-up spectrum);
- eigenvalues and trace of a trained network, by shared products and apart;
- a product within the symmetry of a rot90 network, by folds and by direct convolutions.
"""

from __future__ import annotations

import symscape  # noqa: F401  # isort: skip  # before torch: it sets how threads wait

import argparse
import statistics
import time
from typing import Any

import torch
from interpolation import enlarged, new_network, trained
from rich.console import Console
from scipy.fft import dct, idct
from timing import seconds
from torch import Tensor, nn

from symscape.config.data import DataConfig
from symscape.config.groups import SymmetryConfig, TrainerConfig
from symscape.config.network.model import ModelConfig
from symscape.curvature.hessian import Hessian
from symscape.curvature.lanczos import largest_eigenvalues
from symscape.curvature.operator import Operator
from symscape.curvature.subspaces import kernel_labels
from symscape.curvature.trace import deflated_trace, hutch_plus_plus, hutchinson
from symscape.data.batches import Batches
from symscape.data.load import load_data
from symscape.landscape.batchnorm import reset_statistics
from symscape.layers.effective import effective_network
from symscape.models.build import build_network
from symscape.training.hardware import resolve_hardware

STEPS = {"resnet20": 100, "resnet18": 30}


class Spectrum:
    """A diagonal matrix: for Krylov methods from random starts, no easier than a full one."""

    def __init__(self, values: Tensor) -> None:
        self.values, self.dimension = values, len(values)

    def product(self, vector: Tensor) -> Tensor:
        """Return the product."""
        return self.values * vector


def on_digits(name: str, images: int) -> Hessian:
    """Return the Hessian of a network that has learned the digits, with statistics of them."""
    data = load_data(DataConfig(name="digits"))
    hardware = resolve_hardware(TrainerConfig(precision="float32"), {})
    network = hardware.prepare(new_network(name, 0))
    network.load_state_dict(trained(name, data, hardware, 0, STEPS[name]))
    count = max(images, len(data.train))
    options: dict[str, Any] = {"mean": data.mean, "std": data.std, "device": hardware.device}
    batches = Batches(enlarged(data.train, count), batch_size=500, shuffle=False, **options)
    reset_statistics(network, batches)
    x = torch.cat([x for x, _ in batches])[:images]
    y = torch.cat([y for _, y in batches])[:images]
    return Hessian(network, x.contiguous(memory_format=torch.channels_last), y)


def product_costs(name: str, images: int, rounds: int, console: Console) -> None:
    """Print the cost of a product in gradients."""
    hessian = on_digits(name, images)
    v = torch.ones_like(hessian.point())
    times: dict[str, list[float]] = {"gradient": [], "kept": [], "again": []}
    hessian.product(v)
    for _ in range(rounds):
        times["gradient"].append(seconds(hessian.gradient))
        times["kept"].append(seconds(lambda: hessian.product(v)))
    share = hessian.kept_share
    hessian.keep = 0
    hessian.move_to(hessian.point())
    for _ in range(rounds):
        times["gradient"].append(seconds(hessian.gradient))
        times["again"].append(seconds(lambda: hessian.product(v)))
    gradient, kept, again = (statistics.median(times[k]) for k in ("gradient", "kept", "again"))
    console.print(
        f"{name}, {images} images: gradient {gradient:.2f} s; a product takes "
        f"{kept / gradient:.2f} gradients with {share:.0%} of the graph kept, "
        f"{again / gradient:.2f} without"
    )


def tied_products(name: str, images: int, rounds: int, console: Console) -> None:
    """Print what folds save of a product with a vector that obeys the symmetry."""
    network = build_network(
        ModelConfig(name=name), SymmetryConfig("rot90"), in_channels=3, classes=10, seed=0
    ).eval()
    x = torch.randn(images, 3, 32, 32).contiguous(memory_format=torch.channels_last)
    y = torch.randint(10, (images,))
    ways = {
        way: Hessian(effective_network(network), x, y, tied=labels)
        for way, labels in (("folds", kernel_labels(network)), ("direct", None))
    }
    v = torch.ones_like(ways["direct"].point())
    times: dict[str, list[float]] = {way: [] for way in ways}
    for i in range(rounds + 1):
        for way, hessian in ways.items():
            taken = seconds(lambda hessian=hessian: hessian.product(v))  # type: ignore[misc]
            if i:
                times[way].append(taken)
    folds, direct = (statistics.median(times[way]) for way in ("folds", "direct"))
    console.print(
        f"{name} rot90, {images} images: a product within its symmetry takes {folds:.2f} s with "
        f"folds, {direct:.2f} s directly: {folds / direct:.2f}"
    )


def power_iteration(operator: Operator, like: Tensor, tolerance: float = 1e-3) -> tuple[float, int]:
    """Return the estimate where two successive ones agree, and the products used."""
    generator = torch.Generator().manual_seed(0)
    v = torch.randn(operator.dimension, generator=generator).to(like)
    v, before = v / v.norm(), 0.0
    for count in range(1, 1000):
        w = operator.product(v)
        value = (v @ w).item()
        v = w / w.norm()
        if abs(value - before) <= tolerance * abs(value):
            return value, count
        before = value
    return value, count


def eigenvalue_at_a_gap(console: Console) -> None:
    """Print the products that a gap of 0.99 takes."""
    bulk = 0.3 * torch.rand(20_000, dtype=torch.float64) ** 8
    operator = Spectrum(torch.cat([torch.tensor([1.0, 0.99], dtype=torch.float64), bulk]))
    like = torch.zeros((), dtype=torch.float64)
    counts = []
    for seed in range(20):
        for products in range(2, 100):
            found = largest_eigenvalues(operator, 1, like=like, seed=seed, max_products=products)
            if abs(found.values[0] - 1.0) <= 1e-3:
                break
        stopped = largest_eigenvalues(operator, 1, like=like, seed=seed)
        counts.append((products, stopped.products, abs(stopped.values[0] - 1.0)))
    value, power = power_iteration(operator, like)
    console.print(
        f"gap 0.99: the top eigenvalue is right to 1e-3 after {max(c[0] for c in counts)} products "
        f"(worst of 20 starts), said to be after {max(c[1] for c in counts)} with an error of "
        f"{max(c[2] for c in counts):.0e}; power iteration stops after {power}, "
        f"{abs(value - 1):.1%} off"
    )


def against_curvlinops(name: str, images: int, console: Console) -> None:
    """Print the time to the top eigenvalue."""
    from curvlinops import HessianLinearOperator
    from scipy.sparse.linalg import eigsh

    hessian = on_digits(name, images)
    like = hessian.point()
    ours: list[float] = []

    def first() -> None:
        ours.append(largest_eigenvalues(hessian, 1, like=like).values[0])

    spent = seconds(first)
    parts = zip(torch.split(hessian.images, 256), torch.split(hessian.labels, 256), strict=True)
    data = list(parts)
    reference = HessianLinearOperator(
        hessian.network, nn.CrossEntropyLoss(), hessian.parameters, data, check_deterministic=False
    )
    theirs: list[float] = []
    other = seconds(
        lambda: theirs.append(
            float(eigsh(reference.to_scipy(), k=1, which="LM", return_eigenvectors=False)[0])
        )
    )
    power: list[tuple[float, int]] = []
    third = seconds(lambda: power.append(power_iteration(hessian, like)))
    console.print(
        f"{name}, {images} images: top eigenvalue {ours[0]:.6g} in {spent:.1f} s; curvlinops and "
        f"eigsh {theirs[0]:.6g} in {other:.1f} s ({other / spent:.2f} times); power iteration "
        f"{power[0][0]:.6g} in {third:.1f} s, {abs(power[0][0] / theirs[0] - 1):.1%} off"
    )


def trace_errors(console: Console) -> None:
    """Print the error of the trace on a spectrum that decays as Hessians' do."""
    operator = Spectrum(torch.arange(1, 20_001, dtype=torch.float64) ** -1.5)
    like, truth = torch.zeros((), dtype=torch.float64), operator.values.sum().item()
    # A diagonal matrix is exact for signs: turned, it is not.
    turned = Turned(operator)
    errors = {
        "Hutch++, 99 products": [
            hutch_plus_plus(turned, 99, like=like, seed=s).value / truth - 1 for s in range(10)
        ],
        "Hutchinson, 700 products": [
            hutchinson(turned, 700, like=like, seed=s).value / truth - 1 for s in range(10)
        ],
    }
    for name, values in errors.items():
        rms = (sum(v * v for v in values) / len(values)) ** 0.5
        console.print(f"trace, {name}: root mean square error {rms:.2%}")


class Turned:
    """A diagonal matrix in another basis: S C^T A C S with a cosine transform C and signs S."""

    def __init__(self, operator: Spectrum) -> None:
        self.operator, self.dimension = operator, operator.dimension
        # Not a seed of the estimators: their first vector would be an eigenvector.
        generator = torch.Generator().manual_seed(10_000)
        self.signs = 2.0 * torch.randint(2, (self.dimension,), generator=generator) - 1.0

    def product(self, vector: Tensor) -> Tensor:
        """Return the product."""
        inside = torch.from_numpy(dct((self.signs * vector).numpy(), norm="ortho"))
        back = idct(self.operator.product(inside).numpy(), norm="ortho")
        return self.signs * torch.from_numpy(back)


def shared_products(name: str, images: int, console: Console) -> None:
    """Print what five eigenvalues and the trace cost, apart and by shared products."""
    hessian = on_digits(name, images)
    like = hessian.point()
    hessian.product(torch.ones_like(like))  # The graphs are made once.
    lines = []
    for shared, products in ((False, 99), (True, 99), (True, 48)):
        before, start = hessian.products, time.perf_counter()
        found = largest_eigenvalues(hessian, 5, like=like, capture=shared)
        if found.captured is None:
            trace = hutch_plus_plus(hessian, products, like=like)
        else:
            third = products // 3
            rest = products - third - min(third, len(found.captured.basis))
            trace = deflated_trace(hessian, rest, found.captured)
        spent = time.perf_counter() - start
        lines.append((spent, hessian.products - before, trace, products, shared))
    for spent, made, trace, products, shared in lines:
        console.print(
            f"{name}, {images} images, trace_products={products}, "
            f"{'shared' if shared else 'apart'}: {made} products, {spent:.1f} s "
            f"({spent / lines[0][0]:.2f}), trace {trace.value:.4g} +- {trace.standard_error:.2g}"
        )


def main() -> None:
    """Run the parts that are asked for."""
    parser = argparse.ArgumentParser(description=(__doc__ or "").splitlines()[0])
    parts = ["products", "gap", "curvlinops", "trace", "shared", "tied"]
    parser.add_argument("--parts", nargs="+", default=parts, choices=parts)
    parser.add_argument("--models", nargs="+", default=list(STEPS), choices=list(STEPS))
    parser.add_argument("--images", type=int, default=512)
    parser.add_argument("--rounds", type=int, default=5)
    arguments = parser.parse_args()
    console = Console(width=100, highlight=False)
    if "gap" in arguments.parts:
        eigenvalue_at_a_gap(console)
    if "trace" in arguments.parts:
        trace_errors(console)
    for name in arguments.models:
        if "products" in arguments.parts:
            product_costs(name, arguments.images, arguments.rounds, console)
        if "shared" in arguments.parts:
            shared_products(name, arguments.images, console)
        if "tied" in arguments.parts:
            tied_products(name, arguments.images, arguments.rounds, console)
        if "curvlinops" in arguments.parts:
            against_curvlinops(name, arguments.images, console)


if __name__ == "__main__":
    main()
