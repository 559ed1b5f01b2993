"""Paths of real trainings."""

from itertools import pairwise

import pytest
import torch
from pytest import approx

from symscape.errors import ConfigError
from symscape.jobs.interpolate.evaluator import LineEvaluator
from symscape.jobs.interpolate.job import interpolate
from symscape.runs.find import find_runs, kept_weights, load_network, read_figures
from symscape.runs.results import TrajectoryResult, read_results
from tests.jobs.study import asking, copy_of


@pytest.fixture(scope="module")
def measured(study, tmp_path_factory):
    root = copy_of(study, tmp_path_factory.mktemp("trajectory"))
    interpolate(asking(root, along="trajectory", plane_points=3))
    (folder,) = (root / "tests" / "interpolate").glob("trajectory-reset-*")
    return root, folder, list(read_results(folder, TrajectoryResult))


def test_every_run_has_a_path(measured):
    _, folder, results = measured
    assert len(results) == 4
    for result in results:
        assert result.steps[0] == 0 and result.steps[-1] == 40
        assert result.steps == sorted(set(result.steps))
        assert len(result.path["distance"]) == len(result.steps)
        assert result.path["path_length"] >= result.path["displacement"] > 0
        assert sum(result.path["shares"]) <= 1 + 1e-9
        assert torch.tensor(result.plane["loss"]).shape == (3, 3)
        assert result.rise["train"]["loss"] >= 0
    names = {p.name for p in (folder / "pictures").glob("*.png")}
    assert len(names) == 5 and "lines.png" in names
    assert (folder / "trajectories.csv").exists() and (folder / "summary.csv").exists()


def test_lengths_are_those_of_the_weights_on_disk(measured):
    root, _, results = measured
    run = find_runs(root, "tests")[0]
    result = next(r for r in results if (r.run.name, r.run.seed) == (run.manifest.name, 0))
    flat = [
        torch.cat([p.flatten() for p in load_network(run, name).parameters()]).double()
        for name in kept_weights(run)
    ]
    assert len(flat) == len(result.steps)
    lengths = [(b - a).norm().item() for a, b in pairwise(flat)]
    assert result.path["path_length"] == approx(sum(lengths), rel=1e-6)
    assert result.path["displacement"] == approx((flat[-1] - flat[0]).norm().item(), rel=1e-6)


def test_the_line_ends_at_the_logged_loss(study, tmp_path):
    root = copy_of(study, tmp_path)
    run = find_runs(root, "tests")[0]
    wanted = {"a": str(run.folder), "along": "trajectory", "plane_points": 0, "bn": "lerp"}
    wanted |= {"test_images": None}
    interpolate(asking(root, **wanted))
    (folder,) = (root / "tests" / "interpolate" / "named").glob("trajectory-lerp-*")
    (result,) = read_results(folder, TrajectoryResult)
    logged = read_figures(run.folder)["test/loss"]
    assert result.curves["test"]["loss"][-1] == approx(logged, rel=1e-5)
    assert result.plane is None


def test_what_makes_no_sense_for_one_run_is_refused(tmp_path):
    with pytest.raises(ConfigError, match="align=none"):
        asking(tmp_path, along="trajectory", align="weights")
    with pytest.raises(ConfigError, match="plane needs bn=reset"):
        asking(tmp_path, along="trajectory", bn="lerp")


@pytest.mark.parametrize(("rounded", "warned"), [(1.02, True), (1.005, False)])
def test_what_the_precision_changes_is_warned_about(
    study, tmp_path, capsys, monkeypatch, rounded, warned
):
    check = {"bfloat16": rounded, "float32": 1.0}
    monkeypatch.setattr(LineEvaluator, "both_losses", lambda _: check)
    root = copy_of(study, tmp_path)
    wanted = {"a": str(find_runs(root, "tests")[0].folder), "along": "trajectory"}
    interpolate(asking(root, plane_points=0, points=3, **wanted))
    text = "precision=bfloat16: the loss at 1/2 is 1.0200, in float32 1.0000"
    assert (text in capsys.readouterr().out) is warned
