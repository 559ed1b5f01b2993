"""Result files of a study that nobody trained: random numbers in the form of the real ones."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import replace
from itertools import combinations
from pathlib import Path
from typing import Any

import numpy as np

from symscape.config.data import DataConfig
from symscape.config.groups import SymmetryConfig
from symscape.config.interpolate import InterpolateConfig
from symscape.config.sharpness import SharpnessConfig
from symscape.config.train import TrainConfig
from symscape.jobs.interpolate.tables import write_tables as write_barriers
from symscape.jobs.interpolate.trajectory_tables import write_tables as write_paths
from symscape.jobs.sharpness.tables import write_tables as write_curvature
from symscape.landscape.barriers import barriers
from symscape.runs.configs import write_config
from symscape.runs.files import write_text
from symscape.runs.find import Run, open_run
from symscape.runs.identity import identify
from symscape.runs.manifest import Manifest, write_manifest
from symscape.runs.results import (
    PairResult,
    SharpnessResult,
    TrajectoryResult,
    jsonable,
    result_path,
    settings_hash,
    write_result,
)
from symscape.runs.subjects import refer
from symscape.runs.tables import Row, write_rows

LAYERS = 20
Kind = Mapping[str, Any]


def write_runs(
    root: Path, study: str, kinds: Sequence[Kind], seeds: int, epochs: int = 20
) -> list[Run]:
    """Write completed runs of each kind: `symmetry`, `augment` and settings of `TrainConfig`."""
    runs = []
    for kind in kinds:
        settings = {k: v for k, v in kind.items() if k not in ("symmetry", "augment")}
        config = replace(
            TrainConfig(root=str(root), study=study),
            data=DataConfig("cifar10", augment=kind.get("augment", "none")),
            symmetry=SymmetryConfig(kind["symmetry"]),
            **settings,
        )
        runs += [_write_run(replace(config, seed=seed), epochs) for seed in range(seeds)]
    return runs


def _write_run(config: TrainConfig, epochs: int) -> Run:
    generator = np.random.default_rng([config.seed, len(config.symmetry.name)])
    where = identify(config, "")
    where.folder.mkdir(parents=True)
    write_config(where.folder, config)
    losses = 2.3 * np.exp(-np.arange(1, epochs + 1) / 6) + 0.05 * generator.random(epochs)
    rows: list[Row] = [
        {
            "epoch": epoch,
            "train/loss": float(loss),
            "train/accuracy": 1 - float(loss) / 4,
            "val/loss": 1.2 * float(loss),
            "val/accuracy": 1 - float(loss) / 3,
            "lr": 0.1,
            "symmetry/layer/total": 0.4 + epoch / 100,
        }
        for epoch, loss in enumerate(losses, start=1)
    ]
    write_rows(where.folder / "metrics.csv", rows)
    write_rows(where.folder / "symmetry.csv", _symmetry(generator, epochs))
    write_figures(where.folder, generator.normal(0.5, 0.01))
    manifest = Manifest(where.name, config.seed, where.hash, status="completed")
    manifest.weights = {"final": f"{where.hash}{config.seed:056d}"}
    write_manifest(where.folder, manifest)
    return open_run(where.folder)


def write_figures(folder: Path, symmetry: float) -> None:
    """Write the final figures of a run."""
    figures = {
        "test/accuracy": 0.8 + 0.1 * symmetry,
        "test/loss": 0.5,
        "train/loss": 0.2,
        "free_parameters": 272_474.0,
        "symmetry/layer/total": symmetry,
        "symmetry/mean_kernel/total": symmetry,
    }
    text = ", ".join(f'"{key}": {value!r}' for key, value in jsonable(figures).items())
    write_text(folder / "metrics.json", f"{{{text}}}\n")


def _symmetry(generator: np.random.Generator, epochs: int) -> list[Row]:
    return [
        {
            "epoch": epoch,
            "layer": f"layer{depth}",
            "depth": depth,
            "kind": "layer",
            "group": "total",
            "value": float(generator.normal(0.5, 0.05)),
            "null_low": 0.3,
            "null_mean": 0.35,
            "null_high": 0.4,
        }
        for epoch in (0, epochs)
        for depth in range(LAYERS)
    ]


def write_pairs(
    place: Path,
    runs: Sequence[Run],
    height: Callable[[Run, Run], float],
    align: str = "none",
    at: str = "final",
) -> Path:
    """Write a barrier of a height between every two runs, and the tables; return their folder."""
    config = InterpolateConfig(study=place.name, align=align)
    alphas = np.linspace(0, 1, config.points).tolist()
    settings = {"align": align, "bn": "reset", "points": config.points, "transform": []}
    settings |= {"at": at} if at != "final" else {}
    name = f"{align}-reset-{'00000000' if at == 'final' else settings_hash(settings)}"
    folder = place / "interpolate" / name
    for a, b in combinations(runs, 2):
        top = height(a, b)
        line = [0.2 + 4 * top * t * (1 - t) for t in alphas]
        curves = {s: {"loss": line, "error": [v / 5 for v in line]} for s in ("train", "test")}
        result = PairResult(
            a=refer(a),
            b=refer(b),
            alphas=alphas,
            curves=curves,
            barriers={s: {m: barriers(alphas, v) for m, v in e.items()} for s, e in curves.items()},
            precision_check={},
            alignment={"images": {"train": 10_000, "test": 10_000, "statistics": 10_000}},
            settings=settings,
            resolved={"precision": "float32", "device": "cpu"},
            finished="2000-01-01T00:00:00+00:00",
        )
        write_result(result_path(folder, result.subjects), result)
    write_barriers(place / "interpolate")
    return folder


def write_trajectories(place: Path, runs: Sequence[Run], ratio: Callable[[Run], float]) -> None:
    """Write the path of each run's training, and the tables."""
    folder = place / "interpolate" / "trajectory-reset-00000000"
    alphas = np.linspace(0, 1, 25).tolist()
    line = [2.3 - 2 * t for t in alphas]
    curves = {s: {"loss": line, "error": line} for s in ("train", "test")}
    results = []
    for run in runs:
        spiral = [[20 - i, 5 * np.sin(i / 4)] for i in range(20)]
        found = {"path_length": ratio(run), "displacement": 1.0, "ratio": ratio(run)}
        result = TrajectoryResult(
            run=refer(run),
            alphas=alphas,
            curves=curves,
            barriers={},
            precision_check={},
            rise={s: {"loss": 0.01, "error": 0.0} for s in curves},
            steps=list(range(20)),
            path={**found, "shares": [0.7, 0.2], "coordinates": spiral},
            plane=None,
            settings={"along": "trajectory", "bn": "reset"},
        )
        results.append(result)
        write_result(result_path(folder, [result.run]), result)
    write_paths(folder / "trajectories.csv", folder / "summary.csv", results)


def write_sharpness(place: Path, runs: Sequence[Run], top: Callable[[Run, str], float]) -> None:
    """Write the curvature at the end of each run, own and ambient, and the tables."""
    settings = {"along": "runs", **{k: getattr(SharpnessConfig(study="x"), k) for k in ("k",)}}
    folder = place / "sharpness" / "runs-00000000"
    results = []
    for run in runs:
        measures = [
            {
                "subspace": subspace,
                "scaling": "none",
                "dimension": 1000,
                "eigenvalues": {
                    "values": [top(run, subspace)],
                    "residuals": [1e-4],
                    "converged": True,
                    "products": 40,
                },
                "trace": {"value": 10 * top(run, subspace), "standard_error": 0.1, "products": 99},
            }
            for subspace in ("own", "ambient")
        ]
        point = {"step": 100, "loss": 0.2, "gradient_norm": 0.1, "learning_rate": 0.0}
        result = SharpnessResult(
            run=refer(run),
            points=[{**point, "measures": measures}],
            images={"train": 4096},
            batchnorm="reset",
            settings=settings,
        )
        results.append(result)
        write_result(result_path(folder, [result.run]), result)
    write_curvature(folder, results)
