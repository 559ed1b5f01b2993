"""Barriers between real runs: what is compared, what is measured, what is kept."""

import csv
import json
from dataclasses import replace

import pytest
from pytest import approx

from symscape.config.analysis import PlaceConfig
from symscape.errors import SymscapeError
from symscape.jobs.interpolate.job import interpolate
from symscape.jobs.interpolate.selection import select_pairs
from symscape.jobs.interpolate.tables import cells_of
from symscape.runs.find import find_runs, load_network, read_figures, weights_path
from symscape.runs.lock import locked
from symscape.runs.results import PairResult, read_result, read_results
from symscape.runs.weights import read_weights, save_weights
from tests.jobs.study import asking, copy_of


@pytest.fixture
def runs(study, tmp_path):
    return copy_of(study, tmp_path)


def results(root, align="none", bn="reset"):
    (folder,) = (root / "tests" / "interpolate").rglob(f"{align}-{bn}-*")
    return list(read_results(folder, PairResult))


def files(root):
    return sorted((root / "tests" / "interpolate").rglob("*.json"))


def test_a_study_becomes_results_tables_and_pictures(runs, capsys):
    interpolate(asking(runs, transform="rot90"))
    found = results(runs)
    assert len(found) == 6
    assert all(set(r.barriers) == {"train", "test", "test/rot90"} for r in found)
    place = runs / "tests" / "interpolate"
    pictures = {p.name for p in place.glob("*/pictures/*.png")}
    assert pictures == {"matrix.png", "loss.png", "accuracy.png"}
    with (place / "summary.csv").open() as file:
        rows = [r for r in csv.DictReader(file) if r["label_a"] != r["label_b"]]
    (row,) = [r for r in rows if (r["split"], r["metric"], r["definition"]) == HEADLINE]
    cross = [r for r in found if r.a.name != r.b.name]
    assert float(row["mean"]) == approx(sum(chord(r) for r in cross) / 4)
    assert float(row["low"]) <= float(row["mean"]) <= float(row["high"]) and row["n"] == "4"
    text = capsys.readouterr().out
    assert "6 of 6" not in text and str(place / "summary.csv") in text


HEADLINE = ("test", "loss", "chord")


def chord(result):
    return result.barriers["test"]["loss"]["chord"]


def test_the_ends_of_a_curve_are_the_logged_losses_of_the_runs(runs):
    interpolate(asking(runs, bn="lerp", test_images=None))
    figures = {(r.manifest.name, r.config.seed): read_figures(r.folder) for r in everything(runs)}
    for result in results(runs, bn="lerp"):
        for run, end in ((result.a, 0), (result.b, -1)):
            logged = figures[run.name, run.seed]
            assert result.curves["test"]["loss"][end] == approx(logged["test/loss"], rel=1e-5)
            assert 1 - result.curves["test"]["error"][end] == approx(logged["test/accuracy"])


def everything(root):
    return find_runs(root, "tests")


def test_what_is_there_is_skipped_and_what_is_damaged_is_made_anew(runs, capsys):
    interpolate(asking(runs))
    first, second, *_ = before = files(runs)
    first.write_text(first.read_text()[:300])
    stamps = {p: p.stat().st_mtime_ns for p in before}
    capsys.readouterr()
    interpolate(asking(runs))
    assert "5 of 6 results are there already" in capsys.readouterr().out
    assert read_result(first, PairResult).a.name
    assert second.stat().st_mtime_ns == stamps[second]
    assert not list(second.parent.glob(".*.lock"))


def test_a_result_says_enough_to_be_believed_alone(runs):
    interpolate(asking(runs, pairs="within"))
    entries = json.loads(files(runs)[0].read_text())
    assert entries["schema_version"] == 1
    assert set(entries["versions"]) >= {"torch", "symscape"}
    assert entries["a"]["weights"] != entries["b"]["weights"]
    assert entries["settings"]["bn"] == "reset" and entries["resolved"]["precision"] == "float32"
    assert entries["alignment"]["images"]["statistics"] == 100


@pytest.mark.parametrize(("pairs", "count"), [("all", 6), ("within", 2), ("cross", 4)])
def test_pairs_can_be_chosen(runs, pairs, count):
    interpolate(asking(runs, pairs=pairs, points=3))
    assert len(results(runs)) == count


def test_a_sample_of_pairs_is_of_every_cell_and_grows_with_the_study(runs, tmp_path):
    interpolate(asking(runs, points=3, pairs_per_cell=1))
    assert len(results(runs)) == 3 and len({r.a.name + r.b.name for r in results(runs)}) == 3
    few = [run for run in everything(runs) if run.config.seed == 0]
    many = [
        replace(run, manifest=replace(run.manifest, seed=seed)) for run in few for seed in range(9)
    ]
    sample = {named(pair) for pair in select_pairs(many, "all", 20)}
    assert len(sample) == 60
    assert sample == {named(pair) for pair in select_pairs(many[::-1], "all", 20)}
    less = [run for run in many if run.manifest.seed < 8]
    kept = sample & {named(pair) for pair in select_pairs(less, "all", 20)}
    assert len(kept) > 30
    assert len(select_pairs(many, "cross", 20)) == 20


def named(pair):
    return frozenset((run.folder, run.manifest.seed) for run in pair)


def test_filters_choose_runs(runs):
    from symscape.config.analysis import FilterConfig

    interpolate(asking(runs, points=3, only=FilterConfig(symmetry="rot90")))
    assert {r.a.symmetry for r in results(runs)} == {"rot90"}
    with pytest.raises(SymscapeError, match=r"only.seed=\[7\]"):
        interpolate(asking(runs, only=FilterConfig(seed=7)))
    with pytest.raises(SymscapeError, match="pairs=within"):
        interpolate(asking(runs, pairs="within", only=FilterConfig(seed=0)))


def test_the_best_alignment_is_the_lower_of_both(runs):
    interpolate(asking(runs, align="best", pairs="within"))
    for method in ("activations", "weights"):
        assert len(results(runs, method)) == 2
    for result in results(runs, "best"):
        heights = result.alignment["candidates"]
        assert result.alignment["method"] == min(heights, key=heights.get)
        assert result.barriers["train"]["loss"]["chord"] == min(heights.values())
        assert result.alignment["largest_logit_change"] < 1e-4


def test_two_named_runs(runs):
    a, b, *_ = everything(runs)
    interpolate(asking(runs, a=str(a.folder), b=str(b.folder), points=3))
    assert len(results(runs)) == 1
    with pytest.raises(SymscapeError, match="no run here"):
        interpolate(asking(runs, a=str(a.folder), b=str(runs / "nowhere")))
    with pytest.raises(SymscapeError, match="no barrier to itself"):
        interpolate(asking(runs, a=str(a.folder), b=str(a.folder)))


def test_named_runs_stay_out_of_the_tables_of_their_study(runs):
    a, b, *_ = everything(runs)
    interpolate(asking(runs, a=str(a.folder), b=str(b.folder), points=3))
    place = runs / "tests" / "interpolate"
    assert (place / "named" / "summary.csv").exists() and not (place / "summary.csv").exists()


def test_unfinished_runs_are_named_and_left_out(runs, capsys):
    run = everything(runs)[0]
    path = run.folder / "manifest.json"
    path.write_text(path.read_text().replace('"completed"', '"running"'))
    interpolate(asking(runs, points=3))
    assert f"left out: {run.folder} is interrupted" in capsys.readouterr().out
    assert len(results(runs)) == 3
    with pytest.raises(SymscapeError, match="interrupted, not completed"):
        interpolate(asking(runs, a=str(run.folder), b=str(everything(runs)[1].folder)))


def edit_manifest(run, old, new):
    path = run.folder / "manifest.json"
    text = path.read_text()
    assert old in text
    path.write_text(text.replace(old, new))


def test_runs_that_cannot_be_compared_are_refused(runs):
    first, *_, run = everything(runs)
    config = run.folder / "config.yaml"
    config.write_text(config.read_text().replace("width: 4", "width: 5"))
    with pytest.raises(SymscapeError, match=r"model.width differs \(4 and 5\)"):
        interpolate(asking(runs, a=str(first.folder), b=str(run.folder)))
    config.write_text(config.read_text().replace("width: 5", "width: 4"))
    edit_manifest(run, run.manifest.data["content"], "0" * 64)
    with pytest.raises(SymscapeError, match=r"data.content differs"):
        interpolate(asking(runs))


def test_other_images_than_those_of_the_training_are_refused(runs):
    for run in everything(runs):
        edit_manifest(run, run.manifest.data["content"], "0" * 64)
    with pytest.raises(SymscapeError, match="digits: not the images"):
        interpolate(asking(runs))
    with pytest.raises(SymscapeError, match="study=tess: did you mean 'tests'"):
        interpolate(asking(runs, study="tess", data=PlaceConfig()))


def test_a_result_in_the_hands_of_another_process_is_left_to_it(runs, capsys):
    interpolate(asking(runs, points=3))
    path = files(runs)[0]
    path.unlink()
    with locked(path):
        interpolate(asking(runs, points=3))
    assert "1 results are being made by another process" in capsys.readouterr().out
    assert len(results(runs)) == 5


def test_weights_that_are_not_the_runs_own_are_refused(runs):
    run = everything(runs)[0]
    path = weights_path(run.folder)
    state, metadata = read_weights(path)
    state["conv.weight"] = state["conv.weight"] + 1
    save_weights(path, state, metadata)
    with pytest.raises(SymscapeError, match="not the weights that"):
        interpolate(asking(runs))


def test_bfloat16_is_checked_against_float32(runs):
    interpolate(asking(runs, pairs="within", precision="bfloat16"))
    for result in results(runs):
        check = result.precision_check
        assert set(check) == {"bfloat16", "float32"}
        assert check["bfloat16"] == approx(check["float32"], rel=0.02)


def test_a_pair_measured_from_both_ends_is_one_pair(runs):
    vanilla, rot90 = everything(runs)[-1], everything(runs)[0]
    for a, b in ((vanilla, rot90), (rot90, vanilla)):
        interpolate(asking(runs, a=str(a.folder), b=str(b.folder), points=3))
    both = [read_result(path, PairResult) for path in files(runs)]
    assert len(both) == 2 and chord(both[0]) == approx(chord(both[1]), rel=1e-4)
    (cell,) = cells_of(results(runs))
    assert cell.barriers()[HEADLINE].n == 1


def test_a_result_of_weights_that_are_no_more_gives_way_to_the_new_one(runs):
    interpolate(asking(runs, points=3, pairs="within"))
    path = files(runs)[0]
    old = json.loads(path.read_text())
    old["finished"], old["barriers"]["test"]["loss"]["chord"] = "2000-01-01T00:00:00", 99.0
    for name in ("aaa", "zzz"):
        path.with_name(f"{name}.json").write_text(json.dumps(old))
    assert len(results(runs)) == 2 and all(chord(r) < 99 for r in results(runs))


def test_pictures_follow_the_results(runs):
    interpolate(asking(runs, points=3, pairs="within"))
    (picture,) = (runs / "tests").rglob("matrix.png")
    before = picture.stat().st_mtime_ns
    interpolate(asking(runs, points=3, pairs="within"))
    assert picture.stat().st_mtime_ns == before
    files(runs)[0].touch()
    interpolate(asking(runs, points=3, pairs="within"))
    assert picture.stat().st_mtime_ns > before


def test_a_pair_that_fails_leaves_the_others_alone(runs, capsys):
    run = everything(runs)[-1]
    state, metadata = read_weights(weights_path(run.folder))
    state["norm.weight"] = state["norm.weight"] * float("inf")
    digest = save_weights(weights_path(run.folder), state, metadata)
    edit_manifest(run, run.manifest.weights["final"], digest)
    with pytest.raises(SymscapeError, match=r"not finite.*and 2 more"):
        interpolate(asking(runs, points=3))
    assert len(results(runs)) == 3
    assert (runs / "tests" / "interpolate" / "summary.csv").exists()
    assert capsys.readouterr().out.count(": failed: ") == 3


def test_loading_a_result_of_a_later_version_is_refused(runs):
    interpolate(asking(runs, points=3, pairs="within"))
    path = files(runs)[0]
    path.write_text(path.read_text().replace('"schema_version": 1', '"schema_version": 2'))
    with pytest.raises(SymscapeError, match="later version"):
        interpolate(asking(runs, points=3, pairs="within"))


def test_networks_stay_as_they_were(runs):
    run = everything(runs)[0]
    before = load_network(run).state_dict()
    interpolate(asking(runs, align="activations", pairs="within"))
    after = load_network(run).state_dict()
    assert all((before[name] == after[name]).all() for name in before)
