"""What a study comes to: means over seeds of real and of planted figures."""

import csv
import json
import subprocess
import sys
import time
from concurrent.futures import ThreadPoolExecutor

import numpy as np
import pytest
from pytest import approx

from symscape.config.report import SummaryConfig
from symscape.jobs.analysis.listing import writing_tables
from symscape.jobs.summary.job import summarise
from symscape.jobs.summary.means import kinds_of, number, write_summary
from symscape.jobs.train.job import train
from symscape.runs.find import find_runs, read_figures
from tests.jobs.study import copy_of
from tests.jobs.tiny import tiny


@pytest.fixture
def runs(study, tmp_path):
    return copy_of(study, tmp_path)


def rows(root):
    with (root / "tests" / "summary.csv").open() as file:
        return list(csv.DictReader(file))


def one(root, metric="test/accuracy", symmetry="rot90"):
    (row,) = [r for r in rows(root) if (r["metric"], r["symmetry"]) == (metric, symmetry)]
    return row


def test_every_final_figure_has_a_mean_an_interval_and_n(runs):
    paths = write_summary(runs, "tests")
    assert [p.name for p in paths] == ["summary.csv", "summary.md", "summary.png"]
    of_rot90 = [r for r in find_runs(runs, "tests") if r.config.symmetry.name == "rot90"]
    figures = [read_figures(run.folder) for run in of_rot90]
    assert {r["metric"] for r in rows(runs)} == set(figures[0])
    for metric in figures[0]:
        values = [each[metric] for each in figures]
        row = one(runs, metric)
        assert row["n"] == "2" and float(row["mean"]) == approx(np.mean(values))
        half = 12.706 * np.std(values, ddof=1) / np.sqrt(2)
        assert float(row["high"]) - float(row["mean"]) == approx(half, rel=1e-4, abs=1e-12)
        assert [float(v) for v in row["values"].split()] == values
    text = paths[1].read_text()
    assert "4 runs, 4 completed (data digits, model resnet20, augment standard)" in text
    assert "| symmetry | n | loss | accuracy | free_parameters |" in text
    assert f"{number(float(one(runs)['mean']))} [" in text


def change_manifest(run, **changes):
    path = run.folder / "manifest.json"
    path.write_text(json.dumps(json.loads(path.read_text()) | changes))


def test_unfinished_runs_are_named_and_one_seed_has_no_interval(runs, capsys):
    for run in find_runs(runs, "tests"):
        if run.config.symmetry.name == "vanilla":
            change_manifest(run, status="failed", message="train/loss=nan: not finite")
        elif run.config.seed == 1:
            change_manifest(run, status="running")
    summarise(SummaryConfig(study="tests", root=str(runs)))
    row = one(runs)
    assert (row["n"], row["low"], row["high"]) == ("1", "", "")
    assert row["unfinished"] == "seed=1 interrupted"
    (failed,) = [r for r in rows(runs) if r["symmetry"] == "vanilla"]
    assert (failed["metric"], failed["n"]) == ("", "0")
    assert failed["unfinished"] == "seed=0 failed; seed=1 failed"
    text = (runs / "tests" / "summary.md").read_text()
    assert "4 runs, 1 completed" in text
    assert text.count("failed (train/loss=nan: not finite)") == 2
    assert text.count(": interrupted") == 1
    printed = capsys.readouterr().out
    assert printed.count("not completed: ") == 3 and "summary.csv" in printed


def test_a_study_without_a_completed_run_has_a_summary_and_no_picture(runs):
    for run in find_runs(runs, "tests"):
        change_manifest(run, status="failed")
    assert [p.name for p in write_summary(runs, "tests")] == ["summary.csv", "summary.md"]
    assert len(rows(runs)) == 2


def test_kinds_of_the_same_name_are_told_apart_by_their_settings(runs):
    train(tiny(runs, symmetry={"name": "rot90"}, model={"width": 5}))
    write_summary(runs, "tests")
    found = {r["settings"] for r in rows(runs) if r["symmetry"] == "rot90"}
    other = "model.width=5 trainer.limit_train_batches=3"
    assert found == {"model.width=4 trainer.limit_train_batches=20", other}
    kinds = kinds_of(find_runs(runs, "tests"))
    assert [kind.traits["symmetry"] for kind in kinds] == ["vanilla", "rot90", "rot90"]
    assert f"| rot90 | {other} | 1 |" in (runs / "tests" / "summary.md").read_text()


def test_random_ties_say_like_which_symmetry_even_by_default(tmp_path):
    for like in ("rot90", "hflip"):
        train(tiny(tmp_path, symmetry={"name": "random", "like": like}))
    write_summary(tmp_path, "tests")
    assert {r["settings"] for r in rows(tmp_path)} == {"symmetry.like=rot90", "symmetry.like=hflip"}


def test_a_metric_that_some_runs_lack_says_its_own_n(runs):
    run = next(r for r in find_runs(runs, "tests") if r.config.symmetry.name == "rot90")
    path = run.folder / "metrics.json"
    figures = json.loads(path.read_text())
    del figures["symmetry/layer/rot90"]
    path.write_text(json.dumps(figures))
    write_summary(runs, "tests")
    assert one(runs, "symmetry/layer/rot90")["n"] == "1"
    assert "(n=1)" in (runs / "tests" / "summary.md").read_text()


def test_a_summary_is_the_same_however_often_it_is_written(runs):
    files = [(p.read_bytes(), p.name) for p in write_summary(runs, "tests")]
    assert files == [(p.read_bytes(), p.name) for p in write_summary(runs, "tests")]


def test_it_needs_no_torch(runs):
    code = (
        "import sys; sys.modules['torch'] = None\n"
        "from pathlib import Path\n"
        "from symscape.jobs.summary.means import write_summary\n"
        f"write_summary(Path({str(runs)!r}), 'tests')"
    )
    subprocess.run([sys.executable, "-c", code], check=True, timeout=120)


@pytest.mark.parametrize(
    ("value", "text"),
    [(0.5, "0.5000"), (272474.0, "272,474"), (1.0, "1.000"), (12.3456, "12.35"), (0.0, "0.000")],
)
def test_numbers_have_four_digits_that_count(value, text):
    assert number(value) == text


def test_who_waits_for_the_tables_reads_the_runs_after_that(runs):
    some = find_runs(runs, "tests")[0]
    change_manifest(some, status="running")
    with ThreadPoolExecutor(1) as pool:
        with writing_tables(runs / "tests"):
            waiting = pool.submit(write_summary, runs, "tests")
            time.sleep(0.5)  # Long enough to have read the runs, were they read before.
            assert not waiting.done()
            change_manifest(some, status="completed")
        waiting.result()
    assert all(row["unfinished"] == "" for row in rows(runs))
