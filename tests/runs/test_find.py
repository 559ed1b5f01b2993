"""Runs of a study, found."""

from pathlib import Path

import pytest

from symscape.config.train import TrainConfig
from symscape.errors import SymscapeError
from symscape.runs.configs import write_config
from symscape.runs.find import find_runs, open_run
from symscape.runs.lock import locked
from symscape.runs.manifest import Manifest, write_manifest


def make_run(root: Path, study: str, seed: int, status: str = "completed") -> Path:
    folder = root / study / "digits-x-1" / f"seed={seed}"
    write_manifest(folder, Manifest("digits-x-1", seed, "1", status=status))
    write_config(folder, TrainConfig(seed=seed, study=study))
    return folder


def test_runs_of_a_study_are_found_in_order_and_those_set_aside_are_not(tmp_path):
    for seed, status in [(10, "completed"), (2, "failed"), (1, "running")]:
        make_run(tmp_path, "kernels", seed, status)
    make_run(tmp_path, "kernels", 3).rename(tmp_path / "kernels/digits-x-1/seed=3.aside-2026")
    runs = find_runs(tmp_path, "kernels")
    assert [(r.config.seed, r.state) for r in runs] == [
        (1, "interrupted"),
        (2, "failed"),
        (10, "completed"),
    ]
    with locked(runs[0].folder):
        assert runs[0].state == "running"


def test_an_unknown_study_gets_the_nearest_name(tmp_path):
    make_run(tmp_path, "kernels", 0)
    with pytest.raises(SymscapeError, match="study=kernel: did you mean 'kernels'"):
        find_runs(tmp_path, "kernel")
    with pytest.raises(SymscapeError, match="no study is below"):
        find_runs(tmp_path / "nowhere", "kernels")
    with pytest.raises(SymscapeError, match="no run here"):
        open_run(tmp_path)
