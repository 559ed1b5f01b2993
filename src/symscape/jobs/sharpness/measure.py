"""Curvature of one network after another: images, device, and what is measured at a point."""

from __future__ import annotations

import math
import time
from collections.abc import Mapping, Sequence
from typing import Any

import torch
from torch import nn

from symscape.config.sharpness import SharpnessConfig
from symscape.curvature.hessian import MICRO_BATCH, Hessian
from symscape.curvature.subspaces import (
    Restricted,
    choose_bases,
    kernel_labels,
    scaling,
)
from symscape.errors import SymscapeError
from symscape.jobs.analysis.images import some
from symscape.jobs.analysis.progress import Steps
from symscape.jobs.analysis.subjects import Subject
from symscape.jobs.sharpness.points import KeptPoints
from symscape.jobs.sharpness.quantities import QUANTITIES, Shared
from symscape.landscape.batchnorm import STATISTICS_BATCH, batch_norms, reset_statistics
from symscape.layers.bases import Basis, kernel_bases
from symscape.layers.folding.ties import Labels
from symscape.runs.find import Run, kept_weights, load_at
from symscape.runs.results import SharpnessResult, jsonable
from symscape.symmetry.measures import mean_over_layers, measure_network
from symscape.training.hardware import Hardware
from symscape.training.schedule import learning_rate_factor
from symscape.training.setup import make_batches

TOTAL = ("layer", "total")
"""S under all of D4 of whole layers."""
BATCHNORM = "eval mode, statistics recomputed on clean training images"


class CurvatureMeasure:
    """Measures networks that are for the same images.

    Args:
        config: What to measure.
        subject: Any of those to measure.
        hardware: On what.
    """

    def __init__(self, config: SharpnessConfig, subject: Subject, hardware: Hardware) -> None:
        self.config, self.hardware = config, hardware
        self.data = subject.images(config.data)
        self.content = subject.data
        # The first images of the training part: a stratified sample, the same one always.
        few = self._batches(config.images, 500)
        self.images = torch.cat([x for x, _ in few]).contiguous(memory_format=torch.channels_last)
        self.labels = torch.cat([y for _, y in few])

    def _batches(self, count: int, size: int) -> Any:
        images = some(self.data.train, count)
        return make_batches(images, self.data, self.hardware, batch_size=size, shuffle=False)

    def measure(
        self, subject: Subject, steps: Steps, kept: KeptPoints | None = None
    ) -> SharpnessResult:
        """Return the result of one subject; of a training, points that are kept are taken.

        Raises:
            SymscapeError: its images are others, its weights are damaged, its loss is not finite,
                or there are fewer dimensions than eigenvalues asked for.
        """
        for key in ("content", "mean", "std"):
            if subject.data[key] != self.content[key]:
                label = subject.reference.label
                raise SymscapeError(f"{label}: data.{key} differs from the other runs'")
        names = ["final"]
        if self.config.along == "trajectory" and subject.run is not None:
            names = kept_weights(subject.run)
        constrained = subject.constrained()
        try:
            points = [self._kept(subject, name, steps, constrained, kept) for name in names]
        except RuntimeError as error:
            if "derivative for" not in (said := str(error).splitlines()[0]):
                raise
            label = subject.reference.label
            raise SymscapeError(f"{label}: cannot be differentiated twice: {said}") from error
        return SharpnessResult(
            run=subject.reference,
            points=points,
            images={
                "loss": len(self.labels),
                "statistics": min(self.config.bn_images, len(self.data.train)),
            },
            batchnorm=BATCHNORM if batch_norms(constrained) else "none",
        )

    def _kept(
        self,
        subject: Subject,
        name: str,
        steps: Steps,
        constrained: nn.Module,
        kept: KeptPoints | None,
    ) -> dict[str, Any]:
        """Return a point that was measured before, or measure and keep it."""
        if kept is None:
            return self._point(subject, name, steps, constrained)
        config = self.config
        if name in kept.points:
            steps.tick(len(config.subspaces) * len(config.scalings) * len(config.quantities))
        else:
            kept.add(name, self._point(subject, name, steps, constrained))
        return dict(kept.points[name])

    def _point(
        self, subject: Subject, name: str, steps: Steps, constrained: nn.Module
    ) -> dict[str, Any]:
        """Return what is measured at one of the kept weights."""
        network, step = subject.load_at(name)
        network = self.hardware.prepare(network)
        reset_statistics(network, self._batches(self.config.bn_images, STATISTICS_BATCH))
        hessian = self._hessian(network)
        gradient, loss = hessian.gradient()
        if not math.isfinite(loss):
            raise SymscapeError(f"{subject.reference.label}: the train loss is {loss}")
        own, tied = kernel_bases(constrained), kernel_labels(constrained)
        used: list[tuple[int, float, int]] = []
        measures: list[dict[str, Any]] = []
        for subspace in self.config.subspaces:
            if not own and subspace != "complement" and (twins := _of_all_directions(measures)):
                measures += [{**twin, "subspace": subspace} for twin in twins]
                steps.tick(len(self.config.scalings) * len(self.config.quantities))
                continue
            # Graphs serve one subspace: within its symmetry a network folds.
            inside = self._hessian(network, tied if subspace == "own" else None)
            measures += [
                self._measures(inside, network, own, subspace, scale, steps)
                for scale in self.config.scalings
            ]
            used.append((inside.products, inside.kept_share, inside.micro_batch))
        products, shares, sizes = zip(*used, strict=True)
        return {
            "step": step,
            "loss": loss,
            "gradient_norm": gradient.norm().item(),
            "weight_norm": hessian.point().norm().item(),
            "symmetry": jsonable(mean_over_layers(measure_network(network)).get(TOTAL)),
            "learning_rate": _learning_rate(subject.run, step),
            "products": sum(products),
            "graph_kept": min(shares),
            "micro_batch": min(sizes),
            "measures": measures,
        }

    def _hessian(self, network: nn.Module, tied: Mapping[str, Labels] | None = None) -> Hessian:
        size = self.config.micro_batch or MICRO_BATCH
        return Hessian(network, self.images, self.labels, micro_batch=size, tied=tied)

    def _measures(
        self,
        hessian: Hessian,
        network: nn.Module,
        own: Mapping[str, Basis],
        subspace: str,
        scale: str,
        steps: Steps,
    ) -> dict[str, Any]:
        """Return what was asked for in one subspace with one scaling."""
        bases = choose_bases(network, own, subspace, self.config.seed)
        space = Restricted(hessian, bases, scaling(network, scale))
        found: dict[str, Any] = {
            "subspace": subspace,
            "scaling": scale,
            "dimension": space.dimension,
        }
        shared = Shared()
        for quantity in (q for q in QUANTITIES if q in self.config.quantities):
            if space.dimension:  # A network without constraint has no complement.
                begin = time.perf_counter()
                steps.about(f"{subspace} {scale} {quantity}")
                measure = QUANTITIES[quantity]
                entries = measure(self.config, hessian, space, steps.about, shared)
                seconds = round(time.perf_counter() - begin, 3)
                found[quantity] = jsonable(entries) | {"seconds": seconds}
            steps.tick()
        return found


def _learning_rate(run: Run | None, step: int | None) -> float | None:
    """Return the learning rate after some steps of a run; of other trainings nothing is known."""
    if run is None or step is None:
        return None
    last = load_at(run, "final")[1]
    factor = learning_rate_factor(min(step, last - 1), max(last, 1), run.config.scheduler)
    return factor * run.config.optimizer.lr


def _of_all_directions(measures: Sequence[dict[str, Any]]) -> list[dict[str, Any]]:
    """Return what was measured first of a network without constraint: it serves all subspaces."""
    there = [m for m in measures if m["subspace"] != "complement"]
    return [m for m in there if m["subspace"] == there[0]["subspace"]]
