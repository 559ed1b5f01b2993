"""Paths with a trained middle between real runs."""

import csv
import json
import os
import signal

import pytest

from symscape.config.analysis import FilterConfig
from symscape.errors import ConfigError, SymscapeError
from symscape.jobs.interpolate.job import interpolate
from symscape.jobs.interpolate.paths import measure
from symscape.runs.results import PairResult, PathResult, read_results
from symscape.stopping import Interrupted
from tests.jobs.study import asking, copy_of

VANILLA = FilterConfig(symmetry="vanilla")
pytestmark = pytest.mark.usefixtures("few_batches_throughout")


@pytest.fixture
def runs(study, tmp_path):
    return copy_of(study, tmp_path)


def folder_of(root, name="quadratic-none-reset"):
    (folder,) = (root / "tests" / "interpolate").glob(f"{name}-*")
    return folder


def results(root, name="quadratic-none-reset", kind=PathResult):
    return list(read_results(folder_of(root, name), kind))


def path(root, **changes):
    small = {"path": "quadratic", "path_epochs": 2, "points": 3}
    interpolate(asking(root, **small | changes))


@pytest.fixture(scope="module")
def measured(study, tmp_path_factory, few_batches_throughout):
    """A pair of each two kinds, by line and by path."""
    root = copy_of(study, tmp_path_factory.mktemp("paths"))
    interpolate(asking(root, points=3, pairs_per_cell=1))
    path(root, pairs_per_cell=1)
    return root


def test_a_study_becomes_results_tables_and_pictures_with_the_line_beside(measured):
    folder = folder_of(measured)
    assert len(results(measured)) == 3
    assert {p.name for p in folder.glob("pictures/*.png")} == {
        "matrix.png",
        "loss.png",
        "accuracy.png",
    }
    lines = {frozenset((r.a.folder, r.b.folder)): r for r in results_of_lines(measured)}
    for result in results(measured):
        line = lines[frozenset((result.a.folder, result.b.folder))]
        assert result.line == {"curves": line.curves, "barriers": line.barriers}
        assert result.training["losses"] and result.training["bend"] > 0
    with (folder / "summary.csv").open() as file:
        rows = list(csv.DictReader(file))
    with (measured / "tests" / "interpolate" / "summary.csv").open() as file:
        beside = [row["mean"] for row in csv.DictReader(file)]
    assert [row["line_mean"] for row in rows] == beside
    assert not list(folder.glob(".*.safetensors"))


def results_of_lines(root):
    return results(root, "none-reset", PairResult)


def test_the_ends_of_a_path_are_those_of_the_line(measured):
    for result in results(measured):
        line = result.straight()
        for split, metrics in result.curves.items():
            for metric, values in metrics.items():
                ends = line.curves[split][metric]
                assert (values[0], values[-1]) == (ends[0], ends[-1])


def test_runs_of_one_symmetry_stay_in_it_and_others_say_that_they_do_not(measured):
    for result in results(measured):
        same = result.a.symmetry == result.b.symmetry
        assert result.training["coordinates"] == ("own" if same else "ambient")


@pytest.fixture
def vanilla(measured):
    """The result between the two vanilla runs."""
    (result,) = [r for r in results(measured) if r.a.symmetry == r.b.symmetry == "vanilla"]
    return result


def test_what_is_there_is_skipped_and_made_again_to_the_same_numbers(
    measured, vanilla, tmp_path, capsys
):
    root = copy_of(measured, tmp_path)
    path(root, only=VANILLA)
    assert "1 of 1 results are there already" in capsys.readouterr().out
    path(root, only=VANILLA, force=True)
    (again,) = [r for r in results(root) if r.finished > vanilla.finished]
    assert again.curves == vanilla.curves
    assert again.training["losses"] == vanilla.training["losses"]


def test_a_killed_training_goes_on_to_the_same_bits(runs, vanilla, monkeypatch, capsys):
    monkeypatch.setattr(measure, "KEEP_AFTER", 0.0)
    original, steps = measure.MiddleTraining._step, []

    def stopping(self, *batch):
        steps.append(1)
        if len(steps) == 6:  # The second one of the second epoch.
            os.kill(os.getpid(), signal.SIGTERM)
        return original(self, *batch)

    monkeypatch.setattr(measure.MiddleTraining, "_step", stopping)
    with pytest.raises(KeyboardInterrupt):
        path(runs, only=VANILLA)
    assert len(steps) == 6, "it ends between two batches"
    assert not results(runs) and len(list(folder_of(runs).glob(".*.safetensors"))) == 1
    path(runs, only=VANILLA)
    assert "goes on after epoch 1/2" in capsys.readouterr().out
    (rest,) = results(runs)
    assert len(steps) == 10 and rest.curves == vanilla.curves
    assert rest.training["losses"] == vanilla.training["losses"]
    assert not list(folder_of(runs).glob(".*.safetensors"))


def test_a_checkpoint_that_is_damaged_or_of_another_training_is_left(
    runs, vanilla, monkeypatch, capsys
):
    with monkeypatch.context() as patch:
        patch.setattr(measure, "walk", interrupted)
        with pytest.raises(KeyboardInterrupt):
            path(runs, only=VANILLA)
    (checkpoint,) = folder_of(runs).glob(".*.safetensors")
    data = checkpoint.read_bytes()
    harms = ((b"middle", b"muddle", "damaged"), (b"0.05", b"0.06", "another training"))
    for old, new, why in harms:
        assert old in data
        checkpoint.write_bytes(data.replace(old, new))
        capsys.readouterr()
        path(runs, only=VANILLA)
        (again,) = results(runs)
        assert again.curves == vanilla.curves
        text = capsys.readouterr().out
        assert why in text and "trained from the start" in text and "goes on after" not in text
        next(folder_of(runs).glob("*.json")).unlink()


def interrupted(*_args, **_options):
    raise Interrupted("SIGINT")


def test_a_rate_too_large_is_one_line_and_no_result(runs):
    with pytest.raises(SymscapeError, match=r"epoch 1 is nan; try a smaller path_lr than 1e\+30"):
        path(runs, only=VANILLA, path_lr=1e30)
    assert not list((runs / "tests" / "interpolate").rglob("*.json"))


def test_the_better_alignment_is_chosen(runs):
    path(runs, only=VANILLA, align="best", path="polygon", path_epochs=1)
    (best,) = results(runs, "polygon-best-reset")
    heights = best.alignment["candidates"]
    assert best.barriers["train"]["loss"]["chord"] == min(heights.values())
    assert best.settings["path"] == "polygon" and best.alignment["largest_logit_change"] < 1e-4


def test_lines_on_disk_keep_their_places(measured):
    (folder,) = (measured / "tests" / "interpolate").glob("none-reset-*")
    file = next(folder.glob("*.json"))
    entries = json.loads(file.read_text())
    assert entries["kind"] == "pair" and "line" not in entries
    assert entries["settings"] == {
        "align": "none",
        "bn": "reset",
        "points": 3,
        "transform": [],
        "train_images": 100,
        "bn_images": 100,
        "test_images": 60,
        "precision": "float32",
    }


@pytest.mark.parametrize(
    ("changes", "why"),
    [
        ({"path": "cubic"}, "path=cubic: allowed are line, quadratic, polygon"),
        ({"bn": "lerp"}, "path=quadratic: takes along=pairs and bn=reset"),
        ({"along": "trajectory", "plane_points": 0}, "path=quadratic: takes along=pairs"),
        ({"path_epochs": 0}, "path_epochs=0"),
        ({"path_lr": 0.0}, "path_lr=0.0"),
    ],
)
def test_what_cannot_be_is_refused(tmp_path, changes, why):
    with pytest.raises(ConfigError, match=why):
        asking(tmp_path, **{"path": "quadratic", **changes})


def test_a_path_is_lower_than_the_line(vanilla):
    bent, line = (r.barriers["train"]["loss"]["chord"] for r in (vanilla, vanilla.straight()))
    assert bent < line
