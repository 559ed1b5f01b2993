"""Weights & Biases, offline: what its own records hold after a run, and after a resumed one."""

import json
import os
import signal
from dataclasses import replace

import pytest

from symscape.config.shared import LoggerConfig
from symscape.jobs.train.job import train
from symscape.runs.manifest import read_manifest
from tests.jobs.tiny import stop_in_epoch, tiny
from tests.jobs.train.test_on_groups import on_group
from tests.training.loggers.wandb_records import history, of_kind, records


@pytest.fixture
def offline(monkeypatch, tmp_path):
    monkeypatch.setenv("WANDB_CACHE_DIR", str(tmp_path / "cache"))
    return LoggerConfig(name="wandb", mode="offline", tags=["mine"], log_weights=True)


def test_a_run_is_complete_offline(tmp_path, offline):
    config = tiny(tmp_path / "runs", logger=offline)
    result = train(config)
    manifest = read_manifest(result.folder)
    found = records(result.folder)
    (run,) = of_kind(found, "run")
    assert (run.run_id, run.display_name, run.job_type) == (manifest.wandb_id, "seed=0", "train")
    assert run.run_group == manifest.name and run.project == "symscape"
    assert {"tests", "digits", "resnet20", "rot90", "mine"} <= set(run.tags)
    settings = {c.key: json.loads(c.value_json) for c in run.config.update}
    assert settings["symmetry"]["name"] == "rot90" and settings["seed"] == 0
    rows = [row for row in history(found) if "train/loss" in row]
    assert [row["epoch"] for row in rows] == [1, 2]
    assert "symmetry/layer/total/conv" in rows[0] and "lr" in rows[0]
    media = {"/".join(k.split("/")[:2]) for row in history(found) for k in row if "pictures/" in k}
    assert media == {
        "pictures/training",
        "pictures/mean_kernels",
        "pictures/symmetry",
        "pictures/kernels",
    }
    artifacts = of_kind(found, "artifact")
    assert [a.type for a in artifacts] == ["weights"]
    (end,) = of_kind(found, "exit")
    assert end.exit_code == 0


def test_a_run_on_a_group_shows_its_own_pictures_and_figures(tmp_path, offline):
    result = train(replace(on_group(tmp_path / "runs"), logger=offline))
    found = records(result.folder)
    (run,) = of_kind(found, "run")
    assert {"digits_rot", "ckgresnet"} <= set(run.tags)
    settings = {c.key: json.loads(c.value_json) for c in run.config.update}
    assert settings["group"]["name"] == "se2" and settings["kernel"]["name"] == "separable"
    rows = history(found)
    assert [row["epoch"] for row in rows if "train/loss" in row] == [1, 2]
    media = {key.split("/")[1] for row in rows for key in row if key.startswith("pictures/")}
    assert {"training", "equivariance", "redundancy", "group_kernels", "activations"} <= media
    summary = {i.key or "/".join(i.nested_key) for s in of_kind(found, "summary") for i in s.update}
    logged = summary | {key for row in rows for key in row}
    assert {"turned/accuracy", "change/rot90"} <= logged
    (end,) = of_kind(found, "exit")
    assert end.exit_code == 0


def test_a_resumed_run_continues_the_same_wandb_run(tmp_path, offline, monkeypatch):
    config = tiny(tmp_path / "runs", logger=offline)
    stop_in_epoch(monkeypatch, 1, lambda: os.kill(os.getpid(), signal.SIGINT))
    with pytest.raises(KeyboardInterrupt):
        train(config)
    result = train(config)
    found = records(result.folder)
    runs = of_kind(found, "run")
    assert {r.run_id for r in runs} == {read_manifest(result.folder).wandb_id}
    rows = [row for row in history(found) if "train/loss" in row]
    assert [row["epoch"] for row in rows] == [1, 2]
    codes = [e.exit_code for e in of_kind(found, "exit")]
    assert codes == [1, 0]
