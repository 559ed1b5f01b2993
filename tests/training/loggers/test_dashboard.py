"""Analyses on Weights & Biases, offline: what its own records hold."""

import json

import pytest

from symscape.config.analysis import FilterConfig
from symscape.config.audit import AuditConfig
from symscape.config.report import ReportConfig
from symscape.config.shared import LoggerConfig
from symscape.config.sharpness import SharpnessConfig
from symscape.jobs.audit.job import audit
from symscape.jobs.interpolate.job import interpolate
from symscape.jobs.report.job import report
from symscape.jobs.sharpness.job import sharpness
from symscape.runs.find import find_runs
from tests.jobs.study import asking, copy_of
from tests.training.loggers.wandb_records import history, of_kind, records


@pytest.fixture
def offline(monkeypatch, tmp_path):
    monkeypatch.setenv("WANDB_CACHE_DIR", str(tmp_path / "cache"))
    return LoggerConfig(name="wandb", mode="offline")


def tables(folder):
    return [json.loads(path.read_text()) for path in folder.rglob("*.table.json")]


def test_barriers_are_shown_with_pictures_a_table_and_links(study, tmp_path, offline):
    root = copy_of(study, tmp_path)
    logged, *others = find_runs(root, "tests")
    config = logged.folder / "config.yaml"
    config.write_text(config.read_text().replace("name: csv", "name: wandb"))
    interpolate(asking(root, points=3, logger=offline))
    found = records(root)
    (run,) = of_kind(found, "run")
    assert (run.job_type, run.run_group, run.project) == ("interpolate", "tests", "symscape")
    keys = {key.split("/_")[0] for row in history(found) for key in row}
    shown = {"/".join(key.split("/")[:2]) for key in keys if key.startswith("pictures/")}
    assert shown == {"pictures/matrix", "pictures/loss", "pictures/accuracy"}
    (table,) = tables(root)
    assert len(table["data"]) == 6 and {"test/loss/chord", "runs"} <= set(table["columns"])
    links = {link for row in table["data"] for link in row[-1].split(", ")}
    names = {f"{r.manifest.name} seed={r.config.seed}" for r in others}
    assert links == {f"runs/{logged.manifest.wandb_id}", *names}
    (end,) = of_kind(found, "exit")
    assert end.exit_code == 0


def test_paths_are_shown_with_their_lines(study, tmp_path, offline):
    root = copy_of(study, tmp_path)
    few = {"only": FilterConfig(symmetry="rot90"), "path": "polygon", "path_epochs": 1}
    interpolate(asking(root, points=3, logger=offline, **few))
    (table,) = tables(root)
    assert {"test/loss/chord", "line/test/loss/chord", "runs"} <= set(table["columns"])


def test_trajectories_are_shown_too(study, tmp_path, offline):
    root = copy_of(study, tmp_path)
    interpolate(asking(root, points=3, along="trajectory", plane_points=0, logger=offline))
    (table,) = tables(root)
    assert len(table["data"]) == 4 and "path_length" in table["columns"]


def test_sharpness_is_shown_too(study, tmp_path, offline):
    root = copy_of(study, tmp_path)
    sharpness(
        SharpnessConfig(
            root=str(root),
            study="tests",
            only=FilterConfig(seed=0),
            images=8,
            bn_images=20,
            k=1,
            quantities=["eigenvalues"],
            scalings="none",
            logger=offline,
        )
    )
    (table,) = tables(root)
    assert len(table["data"]) == 2
    assert {"own/none/eigenvalue_1", "ambient/none/eigenvalue_1"} <= set(table["columns"])
    (run,) = of_kind(records(root), "run")
    assert (run.job_type, run.run_group) == ("sharpness", "tests")


def test_audits_are_shown_too(study, tmp_path, offline):
    root = copy_of(study, tmp_path)
    only = FilterConfig(seed=0)
    audit(
        AuditConfig(root=str(root), study="tests", only=only, images=20, shifts=1, logger=offline)
    )
    (table,) = tables(root)
    assert len(table["data"]) == 2
    assert {"S/final", "sites_uneven", "agreement/rot90", "padding"} <= set(table["columns"])
    found = records(root)
    (run,) = of_kind(found, "run")
    assert (run.job_type, run.run_group) == ("audit", "tests")
    keys = {key for row in history(found) for key in row if key.startswith("pictures/")}
    shown = {key.split("/")[1] for key in keys}
    assert {"profile", "mean_kernels", "padding", "consistency"} <= shown
    (end,) = of_kind(found, "exit")
    assert end.exit_code == 0


def test_of_several_shards_the_one_that_completes_the_study_shows_it(study, tmp_path, offline):
    root = copy_of(study, tmp_path)
    for i in (1, 0, 0):
        interpolate(asking(root, points=3, logger=offline, shard=i, shards=2))
    (table,) = tables(root)
    assert len(table["data"]) == 6


def test_a_report_is_an_artifact_with_its_verdicts(study, tmp_path, offline):
    root = copy_of(study, tmp_path)
    groups = [{"symmetry": "vanilla"}, {"symmetry": "rot90"}]
    claim = {"name": "a", "quantity": "figure", "definition": "test/loss", "groups": groups}
    page = report(ReportConfig(study="tests", root=str(root), claims=[claim], logger=offline))
    found = records(root)
    (run,) = of_kind(found, "run")
    assert (run.job_type, run.run_group) == ("report", "tests")
    (artifact,) = [a for a in of_kind(found, "artifact") if a.type == "report"]
    assert artifact.name == "tests-report"
    (entry,) = artifact.manifest.contents
    assert entry.path == "report.html" and entry.size == page.stat().st_size
    (table,) = tables(root)
    assert table["columns"][:2] == ["name", "text"] and table["data"][0][0] == "a"
