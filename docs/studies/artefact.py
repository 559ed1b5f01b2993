r"""How much of a claim about symmetric kernels comes from looking at kernels that nobody applies.

Earlier code kept a full kernel W, convolved with its projection P W, and then measured barriers
and sharpness of networks made of W. Here the same trainings are measured both ways:

    python train.py -m study=artefact symmetry=vanilla,hflip,vflip,hvflip,rot90 seed=0,1,2 \
        symmetry.parametrization=projected symmetry.init=plain
    python docs/studies/artefact.py --study artefact

At equal seeds all kinds start from the same W. Columns of the table, on clean training images:

loss: of the trained network. line, line_max: barrier (chord, max) between a kind and vanilla, of
all pairs of seeds, not aligned. path: the chord barrier from the initial to the trained network.
rise: of the loss after steps of `--epsilon` along Gaussian directions in all kernels. Statistics of
BatchNorm are computed anew everywhere. Means with 95 % intervals: Student's over runs, of pairs by
drawing runs.
"""

from __future__ import annotations

import argparse
from collections import defaultdict
from dataclasses import dataclass, replace
from pathlib import Path

import numpy as np
import torch
from common import cell, parser
from torch import Tensor, nn

from symscape.config.analysis import PlaceConfig
from symscape.curvature.ascent import random_ascent
from symscape.curvature.hessian import Hessian
from symscape.curvature.subspaces import Restricted, choose_bases
from symscape.errors import SymscapeError
from symscape.jobs.analysis.images import images_of
from symscape.landscape.batchnorm import reset_statistics
from symscape.landscape.intervals import Interval, mean_interval, pairs_intervals
from symscape.layers.effective import effective_network
from symscape.library import Curve, connect
from symscape.models.build import build_network, shapes_of
from symscape.runs.find import Run, find_runs
from symscape.runs.identity import kind_order
from symscape.runs.tables import write_rows
from symscape.training.callbacks.checkpoint import LAST_CHECKPOINT, whole_checkpoint

State = dict[str, Tensor]
WAYS = ("stored", "effective")
DRAWS = 10


@dataclass(frozen=True)
class Images:
    """Normalised training images (N, C, H, W) and their labels (N,)."""

    x: Tensor
    y: Tensor


def made_of(run: Run, way: str) -> nn.Module:
    """Return the run's network at its start, whose `weight` is W (`stored`) or P W."""
    symmetry = run.config.symmetry
    if way == "stored":  # A penalty's kernel is the stored one, under the same name.
        symmetry = replace(symmetry, parametrization="penalty")
    shapes = shapes_of(run.manifest.data)
    return build_network(run.config.model, symmetry, **shapes, seed=run.config.seed)


def ends(run: Run, way: str) -> tuple[State, State]:
    """Return the plain networks' states before and after training.

    Raises:
        SymscapeError: the run keeps no W, or its checkpoint is gone or damaged.
    """
    path = whole_checkpoint(run.folder / LAST_CHECKPOINT)
    if path is None:
        raise SymscapeError(f"{run.folder}: no checkpoint, which holds the stored kernels")
    kept = torch.load(path, map_location="cpu", weights_only=True)["state_dict"]
    network = made_of(run, way)
    first = effective_network(network).state_dict()
    network.load_state_dict({name.removeprefix("network."): t for name, t in kept.items()})
    return first, effective_network(network).state_dict()


def check(runs: list[Run], study: str) -> None:
    """Raise SymscapeError unless all runs keep their full kernels, from the same draw."""
    if not any(run.config.symmetry.name == "vanilla" for run in runs):
        raise SymscapeError(f"study={study}: no completed vanilla run to compare with")
    for run in runs:
        symmetry = run.config.symmetry
        wanted = {"parametrization": "projected", "init": "plain"}
        for key, value in wanted.items():
            if symmetry.name != "vanilla" and getattr(symmetry, key) != value:
                raise SymscapeError(f"{run.folder}: needs symmetry.{key}={value}")


def some_images(run: Run, count: int, root: str | None) -> Images:
    """Return the first training images, as the network sees them."""
    data = images_of(run, PlaceConfig(root=root))
    few = data.train.subset(slice(count))
    mean, std = (torch.tensor(v).view(1, -1, 1, 1) for v in (data.mean, data.std))
    return Images((few.images.float() / 255 - mean) / std, few.labels)


def line(run: Run, left: State, right: State, images: Images, points: int) -> Curve:
    """Return the loss on a line."""
    plain = effective_network(made_of(run, "effective"))
    return connect(plain, left, right, images.x, images.y, points=points)


def rise(run: Run, state: State, images: Images, epsilon: float) -> float:
    """Return the mean rise of the loss along random directions in all weights."""
    plain = effective_network(made_of(run, "effective")).eval()
    plain.load_state_dict(state)
    reset_statistics(plain, [(images.x, images.y)])
    hessian = Hessian(plain.requires_grad_(True), images.x, images.y)
    space = Restricted(hessian, choose_bases(plain, {}, "ambient"))
    return random_ascent(hessian, space, [epsilon], draws=DRAWS).mean[0]


def measured(runs: list[Run], way: str, images: Images, given: argparse.Namespace) -> list[Row]:
    """Return the numbers of every kind, measured one way."""
    states = {run: ends(run, way) for run in runs}
    kinds: dict[str, list[Run]] = defaultdict(list)
    for run in runs:
        kinds[run.config.symmetry.name].append(run)
    rows = []
    for kind in sorted(kinds, key=kind_order):
        own = kinds[kind]
        paths = [line(run, *states[run], images, given.points) for run in own]
        pairs = [(a, b) for a in kinds["vanilla"] for b in own if a.config.seed < b.config.seed]
        if kind != "vanilla":
            pairs = [(a, b) for a in kinds["vanilla"] for b in own]
        lines = [line(a, states[a][1], states[b][1], images, given.points) for a, b in pairs]
        found = {
            "loss": mean_interval([path.loss[-1] for path in paths]),
            **barriers(pairs, lines),
            "path": mean_interval([path.barrier() for path in paths]),
            "rise": mean_interval([rise(r, states[r][1], images, given.epsilon) for r in own]),
        }
        rows.append(Row(kind, way, found))
    return rows


def barriers(pairs: list[tuple[Run, Run]], lines: list[Curve]) -> dict[str, Interval]:
    """Return the mean barriers of pairs; nothing where there is none."""
    if not pairs:
        return {}
    values = np.array([[each.barrier(), each.barrier(definition="max")] for each in lines])
    names = [(str(a.folder), str(b.folder)) for a, b in pairs]
    return dict(zip(("line", "line_max"), pairs_intervals(names, values), strict=True))


@dataclass(frozen=True)
class Row:
    """The means of one kind, measured one way."""

    kind: str
    way: str
    means: dict[str, Interval]


def main() -> None:
    """Measure, print a table, and write it beside the study."""
    asked = parser(__doc__)
    asked.add_argument("--data-root", help="where the images are now")
    asked.add_argument("--images", type=int, default=1000)
    asked.add_argument("--points", type=int, default=11)
    asked.add_argument("--epsilon", type=float, default=1e-2)
    given = asked.parse_args()
    runs = [run for run in find_runs(Path(given.root), given.study) if run.state == "completed"]
    check(runs, given.study)
    images = some_images(runs[0], given.images, given.data_root)
    rows = [row for way in WAYS for row in measured(runs, way, images, given)]
    columns = list(dict.fromkeys(name for row in rows for name in row.means))
    print(f"| kernels | networks of | n | {' | '.join(columns)} |")
    print("|---" * (len(columns) + 3) + "|")
    for row in rows:
        kernels = "W (stored)" if row.way == "stored" else "P W (applied)"
        cells = " | ".join(cell(row.means.get(column)) for column in columns)
        print(f"| {row.kind} | {kernels} | {row.means['loss'].n} | {cells} |")
    path = Path(given.root) / given.study / "artefact.csv"
    measures = [(row, *each) for row in rows for each in row.means.items()]
    write_rows(
        path, [{"kind": r.kind, "way": r.way, "measure": m, **v.cells} for r, m, v in measures]
    )
    print(path)


if __name__ == "__main__":
    try:
        main()
    except SymscapeError as error:
        raise SystemExit(f"error: {error}") from None
