"""Curvature of real runs: what is measured, what it says of itself, what is kept."""

import csv
from typing import Any

import pytest
from pytest import approx

from symscape.config.analysis import FilterConfig
from symscape.config.sharpness import SharpnessConfig
from symscape.errors import ConfigError, SymscapeError
from symscape.jobs.sharpness.job import sharpness
from symscape.jobs.sharpness.measure import CurvatureMeasure
from symscape.runs.find import find_runs, kept_weights, weights_path
from symscape.runs.results import SharpnessResult, read_results
from symscape.stopping import Interrupted
from tests.jobs.study import copy_of

FEW = {"images": 16, "bn_images": 60, "k": 1, "trace_products": 9}


@pytest.fixture
def runs(study, tmp_path):
    return copy_of(study, tmp_path)


def asking(root, **changes: Any) -> SharpnessConfig:
    subject = {} if "run" in changes else {"study": "tests"}
    return SharpnessConfig(**{"root": str(root), **subject, **FEW, **changes})


def results(root, along="runs"):
    (folder,) = (root / "tests" / "sharpness").rglob(f"{along}-*")
    return folder, list(read_results(folder, SharpnessResult))


def measured(result, subspace, scaling="none", point=-1):
    measures = result.points[point]["measures"]
    return next(m for m in measures if (m["subspace"], m["scaling"]) == (subspace, scaling))


def test_a_study_becomes_results_tables_and_pictures(runs, capsys):
    sharpness(asking(runs, only=FilterConfig(seed=0), precision="float64"))
    folder, found = results(runs)
    assert {r.run.symmetry for r in found} == {"vanilla", "rot90"}
    for result in found:
        point = result.points[0]
        assert point["loss"] > 0 and point["gradient_norm"] > 0 and point["graph_kept"] == 1.0
        assert result.images == {"loss": 16, "statistics": 60}
        assert "recomputed" in result.batchnorm and result.resolved["precision"] == "float64"
        own, ambient = measured(result, "own"), measured(result, "ambient")
        assert own["eigenvalues"]["converged"] and own["eigenvalues"]["residuals"][0] <= 1e-3
        top = ambient["eigenvalues"]["values"][0]
        assert own["eigenvalues"]["values"][0] <= top * (1 + 1e-6)
        assert own["trace"]["standard_error"] > 0
        # Three samples, as Hutch++ has, behind the basis that the eigenvalues found.
        found = own["eigenvalues"]["products"]
        assert own["trace"]["captured"] == found
        assert own["trace"]["products"] == 9 - 3 - min(3, found)
        assert (own["dimension"] == ambient["dimension"]) is (result.run.symmetry == "vanilla")
    with (folder / "sharpness.csv").open() as file:
        rows = list(csv.DictReader(file))
    assert {r["converged"] for r in rows} == {"True"} and len(rows) == 2 * 4 * 3
    assert (folder / "summary.csv").exists()
    assert {p.name for p in (folder / "pictures").iterdir()} == {"sharpness.png"}
    capsys.readouterr()
    sharpness(asking(runs, only=FilterConfig(seed=0), precision="float64"))
    assert "2 of 2 results are there already" in capsys.readouterr().out


def test_a_network_without_constraint_is_measured_once_for_all_its_subspaces(runs):
    (run,) = [r for r in find_runs(runs, "tests") if r.manifest.name.find("vanilla") >= 0][:1]
    subspaces = ["complement", "ambient", "own", "random"]
    sharpness(asking(runs, run=str(run.folder), subspaces=subspaces, quantities="eigenvalues"))
    _, (result,) = results(runs)
    spent = sum(
        measured(result, "ambient", s)["eigenvalues"]["products"] for s in ("none", "filter")
    )
    assert result.points[0]["products"] == spent
    assert measured(result, "complement")["dimension"] == 0
    for same in ("own", "random"):
        assert measured(result, same, "filter")["eigenvalues"]["values"] == approx(
            measured(result, "ambient", "filter")["eigenvalues"]["values"], rel=1e-12
        )


def test_results_do_not_depend_on_the_micro_batch(runs):
    run = str(find_runs(runs, "tests")[0].folder)
    values = []
    for size in (16, 5):
        options = {"micro_batch": size, "force": True, "precision": "float64", "scalings": "none"}
        sharpness(asking(runs, run=run, **options))
        values.append(measured(results(runs)[1][0], "own")["eigenvalues"]["values"][0])
    assert values[0] == approx(values[1], rel=1e-9)


def test_every_quantity_in_every_subspace(runs):
    every = ["eigenvalues", "trace", "density", "random_ascent", "worst_case"]
    for quantities in (every[:2], every[2:]):
        sharpness(
            asking(
                runs,
                run=str(find_runs(runs, "tests")[0].folder),
                images=5,
                bn_images=20,
                quantities=quantities,
                subspaces=["complement", "random"],
                scalings="elementwise",
                epsilons=[1e-3, 1e-2],
                radii=[0.05],
                draws=2,
            )
        )
    found = [
        r
        for folder in (runs / "tests" / "sharpness" / "named").glob("runs-*")
        for r in read_results(folder, SharpnessResult)
    ]
    assert len(found) == 2
    keys = {k for r in found for k in measured(r, "complement", "elementwise")}
    assert set(every) <= keys
    pictures = {p.name for p in (runs / "tests" / "sharpness").rglob("*.png")}
    assert pictures == {"sharpness.png", "ascent.png", "density.png"}


def test_what_does_not_converge_says_so(runs, capsys):
    run = str(find_runs(runs, "tests")[0].folder)
    sharpness(asking(runs, run=run, max_products=2, quantities="eigenvalues", subspaces="own"))
    _, (result,) = results(runs)
    assert not measured(result, "own")["eigenvalues"]["converged"]
    text = capsys.readouterr().out
    assert "(not converged)" in text and "2 eigenvalues did not converge" in text


def test_along_the_training_in_two_goes(runs, monkeypatch):
    """The first one is stopped at its third point; the second one measures the others."""
    run = find_runs(runs, "tests")[0]
    options = {"quantities": ["eigenvalues", "trace"], "subspaces": "own", "scalings": "none"}
    asked = asking(runs, run=str(run.folder), along="trajectory", images=10, **options)
    seen: list[str] = []

    def point(self, subject, name, *rest, _point=CurvatureMeasure._point):
        if len(seen) == 2 and "stopped" not in seen:
            seen.append("stopped")
            raise Interrupted("SIGTERM")
        seen.append(name)
        return _point(self, subject, name, *rest)

    monkeypatch.setattr(CurvatureMeasure, "_point", point)
    with pytest.raises((Interrupted, KeyboardInterrupt)):
        sharpness(asked)
    sharpness(asked)
    names = kept_weights(run)
    assert seen == [*names[:2], "stopped", *names[2:]]
    folder, (result,) = results(runs, "trajectory")
    assert not list(folder.glob(".*.points"))
    assert len(result.points) == len(kept_weights(run))
    assert result.points[0]["step"] == 0
    assert result.points[0]["learning_rate"] == approx(run.config.optimizer.lr)
    assert result.points[-1]["learning_rate"] == approx(0.01 * run.config.optimizer.lr)
    assert all(0 < point["symmetry"] <= 1 for point in result.points)
    assert (folder / "matched.csv").exists()
    pictures = {p.name for p in (folder / "pictures").iterdir()}
    assert pictures == {"training.png", "matched.png"}


def test_bad_input_is_one_line(runs, tmp_path):
    for key, value, near in (
        ("quantities", ["eigenvalue"], "'eigenvalues'"),
        ("subspaces", "owm", "'own'"),
        ("scalings", ["filters"], "'filter'"),
        ("precision", "bfloat16", "float64"),
        ("quantities", [], "at least one"),
        ("trace_products", 3, ">= 9"),
    ):
        with pytest.raises(ConfigError, match=near):
            asking(runs, **{key: value})
    run = find_runs(runs, "tests")[0]
    with pytest.raises(SymscapeError, match="k=10000000: the subspace has"):
        sharpness(asking(runs, run=str(run.folder), k=10_000_000))
    weights_path(run.folder).unlink()
    with pytest.raises(SymscapeError, match="no such weights file"):
        sharpness(asking(runs, run=str(run.folder)))
