"""One pair of networks: align, walk the line between them, and say what came out."""

from __future__ import annotations

import time
from collections.abc import Callable
from functools import cached_property
from typing import Any

from torch import Tensor

from symscape.errors import SymscapeError
from symscape.jobs.analysis.subjects import Subject
from symscape.jobs.console import log
from symscape.jobs.interpolate.evaluator import (
    ALIGNMENT_BATCH,
    LineEvaluator,
    all_barriers,
    curves_of,
)
from symscape.landscape.alignment import (
    AlignmentError,
    check_same_function,
    match_activations,
    match_weights,
    moved_share,
    permute_state,
)
from symscape.landscape.evaluation import State
from symscape.landscape.interpolation import Point, line_points
from symscape.models.permutations import PermutationSpec, permutation_spec
from symscape.runs.results import PairResult

GUARD_IMAGES = 64


class PairMeasure:
    """Measures pairs of networks; end points are evaluated once a network."""

    def __init__(self, evaluator: LineEvaluator) -> None:
        self.evaluator = evaluator
        self.ends: dict[Subject, Point] = {}

    @cached_property
    def spec(self) -> PermutationSpec:
        """What may be permuted in these networks."""
        images, label = self.guard_images()[:2], self.evaluator.subject.reference.label
        try:
            spec = permutation_spec(self.evaluator.exact_network, images)
            if not spec.sizes:
                held = ", ".join(spec.held)
                raise SymscapeError(f"no channels may move: held by {held}")
        except SymscapeError as error:
            raise SymscapeError(f"{label}: {error}; align=none goes without") from error
        if set(spec.held) - {"input"}:
            log.info(f"align={self.evaluator.config.align}: {spec.describe_held()}")
        return spec

    def measure(
        self,
        a: Subject,
        b: Subject,
        align: str,
        tick: Callable[[], None] = lambda: None,
    ) -> PairResult:
        """Return the result of one pair.

        Raises:
            SymscapeError: the permuted network is another function, or a loss is not finite.
        """
        right, alignment = self.aligned(a, b, align)
        return self.line(a, b, right, alignment, tick)

    def line(
        self,
        a: Subject,
        b: Subject,
        right: State,
        alignment: dict[str, Any],
        tick: Callable[[], None],
    ) -> PairResult:
        """Return the result of the line from A to B's aligned state."""
        alphas, left = line_points(self.evaluator.config.points), self.evaluator.state(a)
        known = self.known(a, b)
        points = self.evaluator.line.measure(left, right, alphas, known=known, tick=tick)
        curves = curves_of(points, _label(a, b))
        return PairResult(
            a=a.reference,
            b=b.reference,
            alphas=alphas,
            curves=curves,
            barriers=all_barriers(alphas, curves),
            alignment=alignment | self.about(a, b),
            precision_check=self.check(left, right),
        )

    def known(self, a: Subject, b: Subject) -> dict[float, Point]:
        """Return what the ends of a pair reach, by alpha."""
        known = {0.0: self.end(a)}
        if self.evaluator.config.bn != "none":  # With A's statistics, B is another network.
            known[1.0] = self.end(b)
        return known

    def about(self, a: Subject, b: Subject) -> dict[str, Any]:
        """Return on how many images, and between which weights where it is not the last ones."""
        images = {"images": self.evaluator.images_used()}
        kept = self.evaluator.kept
        return images if kept is None else images | {"at": kept.note(a, b)}

    def end(self, subject: Subject) -> Point:
        """Return what a network reaches under the policy; the same for every line with that end."""
        if subject not in self.ends:
            state = self.evaluator.state(subject)
            self.ends[subject] = self.evaluator.line.measure(state, state, [0.0])[0]
        return self.ends[subject]

    def check(self, left: State, right: State) -> dict[str, float]:
        """Compare the precision with float32 in the middle of the line, where losses are high."""
        self.evaluator.line.fill(left, right, 0.5)
        return self.evaluator.check_precision()

    def aligned(self, a: Subject, b: Subject, align: str) -> tuple[State, dict[str, Any]]:
        """Return B's state with its channels in A's order, and how that was found.

        Raises:
            SymscapeError: the permuted network is another function.
        """
        try:
            return self._aligned(a, b, align)
        except AlignmentError as error:
            raise SymscapeError(f"{_label(a, b)}: align={align}: {error}") from error

    def _aligned(self, a: Subject, b: Subject, align: str) -> tuple[State, dict[str, Any]]:
        left, right = self.evaluator.state(a), self.evaluator.state(b)
        if align == "none":
            return right, {"method": "none"}
        begin = time.perf_counter()
        if align == "weights":
            permutations, similarity = match_weights(
                left, right, self.spec, restarts=self.evaluator.config.restarts
            )
        else:
            permutations, similarity = self.by_activations(left, right)
        moved = permute_state(right, self.spec, permutations)
        exact = self.evaluator.exact_network
        change = check_same_function(exact, right, moved, self.guard_images())
        return moved, {
            "method": align,
            "similarity": similarity,
            "moved_share": moved_share(permutations),
            "largest_logit_change": change,
            "seconds": round(time.perf_counter() - begin, 3),
        }

    def by_activations(self, left: State, right: State) -> tuple[dict[str, Tensor], float]:
        """Match the channels of two states by what they respond to."""
        self.evaluator.network.load_state_dict(left)
        self.evaluator.twin.load_state_dict(right)
        images = self.evaluator.first(self.evaluator.config.align_images)
        batches = self.evaluator.batches(images, ALIGNMENT_BATCH)
        return match_activations(self.evaluator.network, self.evaluator.twin, self.spec, batches)

    def guard_images(self) -> Tensor:
        """Return a few test images in full precision."""
        return next(iter(self.evaluator.batches(self.evaluator.data.test, GUARD_IMAGES)))[0]


def _label(a: Subject, b: Subject) -> str:
    return f"{a.reference.label} and {b.reference.label}"
