"""Scripts of docs/studies run on small runs, and measure what they say."""

import csv
import runpy
import sys
from typing import Any

import pytest
import torch

from symscape.jobs.train.job import train
from symscape.runs.find import find_runs, load_network
from tests.jobs.tiny import tiny
from tests.smoke.door import ROOT

SCRIPT = ROOT / "docs" / "studies" / "artefact.py"
STORED = {"parametrization": "projected", "init": "plain"}


def script(monkeypatch, *words: str) -> dict[str, Any]:
    monkeypatch.syspath_prepend(str(SCRIPT.parent))
    monkeypatch.setattr(sys, "argv", [str(SCRIPT), *words])
    return runpy.run_path(str(SCRIPT), run_name="__main__")


def test_stored_kernels_are_told_from_applied_ones(tmp_path, monkeypatch, capsys):
    for symmetry in ("vanilla", "rot90"):
        train(tiny(tmp_path, symmetry={"name": symmetry, **STORED}))
    few = ("--images", "24", "--points", "3", "--epsilon", "0.01")
    names = script(monkeypatch, "--study", "tests", "--root", str(tmp_path), *few)
    assert "| rot90 | W (stored) | 1 |" in capsys.readouterr().out
    with (tmp_path / "tests" / "artefact.csv").open() as file:
        rows = {(r["kind"], r["way"], r["measure"]): r["mean"] for r in csv.DictReader(file)}
    measures = {measure for _, _, measure in rows}
    assert measures == {"loss", "line", "line_max", "path", "rise"}
    plain = [{m: rows.get(("vanilla", way, m)) for m in measures} for way in names["WAYS"]]
    assert plain[0] == plain[1]
    assert rows["rot90", "stored", "loss"] != rows["rot90", "effective", "loss"]

    runs = {run.config.symmetry.name: run for run in find_runs(tmp_path, "tests")}
    first = {kind: names["ends"](run, "stored")[0] for kind, run in runs.items()}
    assert all(torch.equal(t, first["vanilla"][name]) for name, t in first["rot90"].items())
    _, last = names["ends"](runs["rot90"], "effective")
    kept = load_network(runs["rot90"]).state_dict()
    assert all(torch.equal(t, last[name]) for name, t in kept.items())


def test_runs_that_keep_no_full_kernels_are_refused(tmp_path, monkeypatch):
    for symmetry in ("vanilla", "rot90"):
        train(tiny(tmp_path, symmetry={"name": symmetry}, trainer={"max_epochs": 1}))
    with pytest.raises(SystemExit, match=r"error: .*needs symmetry.parametrization=projected"):
        script(monkeypatch, "--study", "tests", "--root", str(tmp_path))
