"""One pair of runs: align, walk the line, train the middle of a path, walk that."""

from __future__ import annotations

import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import asdict
from pathlib import Path
from typing import Any

import torch
from torch import Tensor

from symscape.config.interpolate import InterpolateConfig
from symscape.data.batches import Batches
from symscape.errors import SymscapeError
from symscape.jobs.analysis.progress import Steps
from symscape.jobs.analysis.subjects import RunSubject
from symscape.jobs.console import log
from symscape.jobs.interpolate.evaluator import LineEvaluator, all_barriers, curves_of
from symscape.jobs.interpolate.measure import PairMeasure
from symscape.jobs.interpolate.paths.checkpoint import keep, kept
from symscape.landscape.evaluation import State
from symscape.landscape.paths.bend import Bend, walk
from symscape.landscape.paths.training import MiddleTraining, PathError, Recipe
from symscape.layers.bases import Basis, kernel_bases, same_space
from symscape.runs.find import Run, constrained_network
from symscape.runs.results import PathResult
from symscape.runs.weights import content_hash
from symscape.training.setup import make_batches

SEED = 0
"""Of the order of the images and of the points: all paths see the same."""
MOMENTUM = 0.9
KEEP_AFTER = 30.0
"""Seconds of training that a kill may cost, besides an epoch."""
EPOCH_STEPS = 4
"""Points of a line that take about as long as an epoch."""


class PathMeasure:
    """Measures paths between pairs of runs, and the lines beside them."""

    def __init__(self, evaluator: LineEvaluator) -> None:
        self.evaluator, self.pairs = evaluator, PairMeasure(evaluator)

    @property
    def config(self) -> InterpolateConfig:
        """What to measure."""
        return self.evaluator.config

    def measure(
        self, a: RunSubject, b: RunSubject, align: str, checkpoint: Path, title: str, steps: Steps
    ) -> PathResult:
        """Return the result of one pair.

        Args:
            a: the run at 0.
            b: the run at 1.
            align: how B is aligned.
            checkpoint: where the training is kept, and goes on from unless `force` is set.
            title: of the pair.
            steps: told how far it is.

        Raises:
            SymscapeError: the permuted network is another function, or a loss is not finite.
        """
        right, alignment = self.pairs.aligned(a, b, align)
        line = self.pairs.line(a, b, right, alignment, steps.tick)
        bend, training = self.train(a, b, right, checkpoint, title, steps)
        known = self.pairs.known(a, b)
        points = walk(self.evaluator.line, bend, line.alphas, known=known, tick=steps.tick)
        curves = curves_of(points, title)
        bend.fill(self.evaluator.line.tensors, 0.5)
        changed = {
            "curves": curves,
            "barriers": all_barriers(line.alphas, curves),
            "precision_check": self.evaluator.check_precision(),
            "training": training,
            "line": {"curves": line.curves, "barriers": line.barriers},
        }
        return PathResult(**vars(line) | changed)

    def train(
        self, a: RunSubject, b: RunSubject, right: State, checkpoint: Path, title: str, steps: Steps
    ) -> tuple[Bend, dict[str, Any]]:
        """Return a trained path, and how it came to be."""
        begin = time.perf_counter()
        left, bases = self.evaluator.state(a), common_bases(a.run, b.run)
        batches, recipe = self.batches(a.run, b.run), self.recipe(a.run, b.run)
        shown = {
            "coordinates": "ambient" if bases is None else "own",
            **asdict(recipe),
            "images": len(batches.images),
            "batch_size": batches.batch_size,
            "augment": batches.policy,
        }
        ends = [content_hash(dict(state)) for state in (left, right)]
        about = {
            "shape": self.config.path,
            "ends": ends,
            "hardware": self.evaluator.hardware.as_dict(),
            **shown,
        }
        trained = MiddleTraining(
            self.evaluator.network, self.config.path, left, right, recipe, bases
        )
        before = None if self.config.force else kept(checkpoint, about)
        if before is not None:
            log.info(f"{title}: its path goes on after epoch {len(before.losses)}/{recipe.epochs}")
            trained.resume(before)
            steps.tick(EPOCH_STEPS * len(before.losses))
        self._epochs(trained, batches, checkpoint, about, title, steps)
        bend = trained.bend()
        return bend, {
            **shown,
            "losses": trained.progress.losses,
            "bend": bend_of(bend),
            "seconds": round(time.perf_counter() - begin, 3),
        }

    def _epochs(
        self,
        trained: MiddleTraining,
        batches: Batches,
        checkpoint: Path,
        about: dict[str, Any],
        title: str,
        steps: Steps,
    ) -> None:
        """Train for all epochs that are left; keep what is there every now and then."""
        count, last = self.config.path_epochs, time.perf_counter()
        with reproducible():
            for epoch in range(len(trained.progress.losses), count):
                steps.about(f"{title}, epoch {epoch + 1}/{count}")
                batches.set_epoch(epoch)
                try:
                    trained.epoch(batches)
                except PathError as error:
                    lr = f"try a smaller path_lr than {self.config.path_lr}"
                    raise SymscapeError(f"{title}: {error}; {lr}") from error
                if time.perf_counter() - last >= KEEP_AFTER or epoch + 1 == count:
                    keep(checkpoint, trained.progress, about)
                    last = time.perf_counter()
                steps.tick(EPOCH_STEPS)

    def batches(self, a: Run, b: Run) -> Batches:
        """Return all training images, shuffled and augmented as for both runs, else not at all."""
        first, second = a.config.data, b.config.data
        same = first.augment == second.augment
        return make_batches(
            self.evaluator.data.train,
            self.evaluator.data,
            self.evaluator.hardware,
            batch_size=min(first.batch_size, second.batch_size),
            policy=first.augment if same else "none",
            seed=SEED,
            shuffle=True,
        )

    def recipe(self, a: Run, b: Run) -> Recipe:
        """Return how the middle is trained: decayed as the two runs were, on average."""
        decays = [run.config.optimizer.weight_decay for run in (a, b)]
        config = self.config
        return Recipe(config.path_epochs, config.path_lr, MOMENTUM, sum(decays) / 2, SEED)


def common_bases(a: Run, b: Run) -> dict[str, Basis] | None:
    """Return the bases of the space that the kernels of both runs lie in; None if they differ."""
    first, second = (kernel_bases(constrained_network(run)) for run in (a, b))
    return first if same_space(first, second) else None


def bend_of(bend: Bend) -> float:
    """Return how far M is from (A + B) / 2, by the distance from A to B; 0 where these are one."""
    moved = length = 0.0
    for name, m in bend.middle.items():
        a, b = (_wide(state[name], m) for state in (bend.a, bend.b))
        moved += (m.double() - (a + b) / 2).square().sum().item()
        length += (b - a).square().sum().item()
    return float((moved / length) ** 0.5) if length else 0.0


def _wide(tensor: Tensor, like: Tensor) -> Tensor:
    return tensor.to(like.device, torch.float64)


@contextmanager
def reproducible() -> Iterator[None]:
    """Let convolutions on a GPU sum in an order of their own no more."""
    with torch.backends.cudnn.flags(
        enabled=True, benchmark=False, deterministic=True, allow_tf32=False
    ):
        yield
