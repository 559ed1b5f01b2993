"""The path that one training took, and the straight line from its start to its end."""

from __future__ import annotations

import math
from collections.abc import Callable
from dataclasses import asdict
from typing import Any

from torch import Tensor

from symscape.jobs.analysis.images import on_device
from symscape.jobs.interpolate.evaluator import LineEvaluator, all_barriers, curves_of
from symscape.landscape.barriers import largest_rise
from symscape.landscape.interpolation import line_points
from symscape.landscape.trajectory import Geometry, geometry, plane_grid, principal_plane
from symscape.runs.find import Run, kept_weights, load_at
from symscape.runs.results import TrajectoryResult, jsonable
from symscape.runs.subjects import refer

Tick = Callable[[], None]
States = list[dict[str, Tensor]]


def measure(evaluator: LineEvaluator, run: Run, tick: Tick) -> TrajectoryResult:
    """Return the result of one run.

    Raises:
        SymscapeError: a loss is not finite.
    """
    states, steps = _states(evaluator, run)
    alphas = line_points(evaluator.config.points)
    shape = geometry(states)
    points = evaluator.line.measure(states[0], states[-1], alphas, tick=tick)
    curves = curves_of(points, refer(run).label)
    evaluator.line.fill(states[0], states[-1], 0.5)
    check = evaluator.check_precision()
    return TrajectoryResult(
        run=refer(run),
        alphas=alphas,
        curves=curves,
        barriers=all_barriers(alphas, curves),
        rise={k: {m: largest_rise(v) for m, v in c.items()} for k, c in curves.items()},
        steps=steps,
        path=jsonable(asdict(shape) | {"ratio": shape.ratio}),
        plane=_plane(evaluator, states, shape, tick) if evaluator.config.plane_points else None,
        precision_check=check,
    )


def _states(evaluator: LineEvaluator, run: Run) -> tuple[States, list[int]]:
    kept = [load_at(run, name) for name in kept_weights(run)]
    return [on_device(network, evaluator.hardware) for network, _ in kept], [s for _, s in kept]


def _plane(evaluator: LineEvaluator, states: States, shape: Geometry, tick: Tick) -> dict[str, Any]:
    """Return the train loss on a grid around the path."""
    plane = principal_plane(states, shape)
    x, y = plane_grid(shape, evaluator.config.plane_points)
    rows = []
    for second in y:
        row = []
        for first in x:
            state = plane.at(first, second)
            evaluator.line.fill(state, state, 0.0)
            loss = evaluator.line.look({}, ["train"])["train"].read().loss
            # Far from the path a loss may overflow: a hole in the picture, not a number.
            row.append(loss if math.isfinite(loss) else None)
            tick()
        rows.append(row)
    return {"x": x, "y": y, "loss": rows}
