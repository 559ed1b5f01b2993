"""The study of networks trained on upright images of a folder and tested on turned ones."""

import csv
import runpy
import sys
from collections import Counter
from dataclasses import replace

import pytest

from symscape.config.network.lie import GroupConfig, KernelConfig
from symscape.config.network.model import ModelConfig
from symscape.config.report import ReportConfig
from symscape.config.train import TrainConfig
from symscape.door import typed
from symscape.jobs.report.job import report
from symscape.jobs.train.job import train
from symscape.models.sizing import with_width
from symscape.runs.find import read_figures
from symscape.runs.identity import kind
from tests.data.folder.image_trees import make_tree
from tests.jobs.tiny import tiny
from tests.smoke.door import ROOT, call
from tests.smoke.test_doors import jobs_of

KINDS = ["none-pixels", "rot90", "se2-gseparable", "se2-nonseparable", "se2-separable"]


def test_it_is_five_kinds_of_equal_size_with_three_seeds():
    jobs = [typed(c, TrainConfig) for c in jobs_of("turned_folder", "data.root=images")]
    assert Counter(map(kind, jobs)) == dict.fromkeys(KINDS, 3)
    assert Counter(job.seed for job in jobs) == dict.fromkeys(range(3), 5)
    assert {(job.data.name, job.data.turned, job.data.image_size) for job in jobs} == {
        ("folder_rot", "test", 16)
    }
    assert {job.group.grid["rotations"] for job in jobs if job.group.name == "se2"} == {4}
    colour = {"in_channels": 3, "classes": 10, "image": (16, 16)}
    for job in jobs:
        if job.seed == 0:
            _, count, wanted = with_width(job, colour)
            assert abs(count / wanted - 1) < 0.05


def test_a_script_tells_kinds_apart_by_what_they_make_of_turned_images(
    tmp_path, monkeypatch, capsys, no_pictures
):
    make_tree(tmp_path / "images", train=12, test=6, size=(18, 18))
    data = {"name": "folder_rot", "root": str(tmp_path / "images"), "augment": False}
    epochs = {"max_epochs": 1, "limit_train_batches": 1}
    plain = tiny(tmp_path, data=data | {"batch_size": 8}, trainer=epochs)
    turning = replace(
        plain,
        model=ModelConfig("ckgcnn", width=2, kernel_size=3),
        symmetry=replace(plain.symmetry, name="vanilla"),
        group=GroupConfig("se2", rotations=4),
        kernel=KernelConfig("nonseparable", hidden=4),
    )
    for seed in (0, 1):
        folder = train(replace(turning, seed=seed)).folder
    rot90 = train(plain).folder
    script = str(ROOT / "docs" / "studies" / "turned.py")
    monkeypatch.syspath_prepend(str(ROOT / "docs" / "studies"))  # As `python SCRIPT` does.
    monkeypatch.setattr(sys, "argv", [script, "--study", "tests", "--root", str(tmp_path)])
    runpy.run_path(script, run_name="__main__")
    assert "| resnet20 rot90 " in capsys.readouterr().out
    with (tmp_path / "tests" / "turned.csv").open() as file:
        found = {(r["kind"].split()[1], r["measure"]): r for r in csv.DictReader(file)}
    of_group = {measure: row for (kind, measure), row in found.items() if kind != "rot90"}
    assert of_group["upright"]["mean"] == of_group["by 90"]["mean"]
    assert {row["n"] for row in of_group.values()} == {"2"}
    assert float(of_group["error"]["mean"]) < 1e-5
    assert 0 < float(of_group["pair share before"]["mean"]) <= 1
    page = report(ReportConfig(study="tests", root=str(tmp_path))).read_text()
    for said in ("Accuracy on turned test images", "turned: displacement", "equivariance error"):
        assert page.count(said) == 1, said
    assert "symmetric by construction" in page
    figures, mine = read_figures(rot90), {m: r for (k, m), r in found.items() if k == "rot90"}
    assert float(mine["test"]["mean"]) == figures["test/accuracy"]
    assert "error" not in mine and "stacked share after" not in mine
    monkeypatch.setattr(sys, "argv", [script, "--study", "tests", "--root", str(tmp_path)])
    (folder / "equivariance.csv").unlink()
    with pytest.raises(SystemExit, match=r"^error: .*seed=1/equivariance.csv: no such file$"):
        runpy.run_path(script, run_name="__main__")


@pytest.mark.slow
def test_one_command_trains_it(tmp_path):
    make_tree(tmp_path / "images", train=40, test=6, size=(20, 20))
    small = ("kernel.hidden=4", "trainer.max_epochs=1", "trainer.limit_train_batches=1")
    words = ("-m", "experiment=turned_folder", "data.root=images", "seed=0", "trajectory=2")
    words += ("model.parameters=3000",)
    result = call(tmp_path, "train", *words, *small)
    assert result.returncode == 0, result.stderr
    assert "done    5" in result.stdout
    runs = {p.parent.name for p in (tmp_path / "multirun/turned_folder").glob("*/seed=0")}
    assert all(any(f"-{kind}-none-" in name for name in runs) for kind in KINDS) and len(runs) == 5
    assert (tmp_path / "multirun/turned_folder/turned.png").exists()
