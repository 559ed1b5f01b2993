"""Work cut into shards: each result in one of them, and together what one job makes."""

from itertools import combinations
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from symscape.config.analysis import FilterConfig
from symscape.config.audit import AuditConfig
from symscape.config.sharpness import SharpnessConfig
from symscape.errors import ConfigError
from symscape.jobs.analysis.listing import Listing
from symscape.jobs.analysis.missing import Task
from symscape.jobs.analysis.shards import share_of
from symscape.jobs.audit.job import audit
from symscape.jobs.interpolate.job import interpolate
from symscape.jobs.interpolate.selection import neighbours_first
from symscape.jobs.sharpness.job import sharpness
from tests.jobs.study import asking, copy_of


def shard(i, n):
    return SharpnessConfig(study="tests", shard=i, shards=n)


def tasks_about(subjects, steps=None):
    """One task a subject, or a pair of them."""
    every = steps or [1] * len(subjects)
    pairs = enumerate(zip(subjects, every, strict=True))
    return [Task(about, Path(str(i)), {}, count) for i, (about, count) in pairs]


@given(st.lists(st.integers(5, 20), min_size=1, max_size=60), st.integers(1, 9))
def test_every_task_is_in_one_shard_and_shards_cost_about_the_same(steps, n):
    tasks = tasks_about([(i,) for i in range(len(steps))], steps)
    shares = [share_of(shard(i, n), tasks) for i in range(n)]
    assert [task for share in shares for task in share] == tasks
    for share in shares:
        assert abs(sum(task.steps for task in share) - sum(steps) / n) <= max(steps)


def test_shards_of_equal_tasks_differ_by_one_at_most():
    tasks = tasks_about([(i,) for i in range(105)])
    assert {len(share_of(shard(i, 4), tasks)) for i in range(4)} == {26, 27}


def test_tasks_about_the_same_runs_stay_together():
    tasks = tasks_about([(i // 2,) for i in range(10)])
    shares = [share_of(shard(i, 4), tasks) for i in range(4)]
    assert all(len(share) % 2 == 0 for share in shares)


def test_a_shard_of_pairs_touches_few_runs():
    pairs = list(combinations(range(100), 2))
    assert sorted(neighbours_first(pairs)) == pairs

    def runs_of(i, order):
        return {run for task in share_of(shard(i, 8), tasks_about(order)) for run in task.subjects}

    touched = {
        name: sum(len(runs_of(i, order)) for i in range(8))
        for name, order in (("rows", pairs), ("near", neighbours_first(pairs)))
    }
    assert touched["near"] < 0.85 * touched["rows"]


@pytest.mark.parametrize(
    ("i", "n", "near"),
    [
        (0, None, "shard=0: needs shards=N"),
        (None, 4, "shards=4: needs shard=I; -m shard=0,1,2,3"),
        (4, 4, "shard=4: shards=4 allows 0,1,2,3"),
        (-1, 16, "shard=-1: shards=16 allows 0,...,15"),
        (0, 0, "shards=0: must be"),
    ],
)
def test_a_shard_that_is_none_is_refused(tmp_path, i, n, near):
    with pytest.raises(ConfigError, match=near):
        asking(tmp_path, shard=i, shards=n)
    with pytest.raises(ConfigError, match=near):
        shard(i, n)


def made(root, analysis):
    """What a study shows in the end: tables and pictures, byte by byte."""
    place = root / "tests" / analysis
    shown = [p for p in place.rglob("*") if p.suffix in (".csv", ".png")]
    return {p.relative_to(place): p.read_bytes() for p in shown}


@pytest.mark.parametrize("align", ["none", "best"])
def test_shards_in_any_order_end_with_the_tables_and_pictures_of_one_job(
    study, tmp_path, capsys, request, align
):
    if align == "none":  # Pictures are made of the tables, however they came about.
        request.getfixturevalue("rendered")
    one, several = (copy_of(study, tmp_path / name) for name in ("one", "several"))
    few = {"align": align, "points": 3, "train_images": 60, "align_images": 60, "pairs": "cross"}
    interpolate(asking(one, **few))
    for i in (3, 0, 1, 2):
        interpolate(asking(several, **few, shard=i, shards=4))
    assert made(one, "interpolate") == made(several, "interpolate")
    text = capsys.readouterr().out
    assert text.count("of 4: 1 of 4") == 4
    assert all(f"{left} are not there yet" in text for left in ("3 results", "2 results"))


def test_runs_are_cut_into_shards_too(study, tmp_path):
    one, several = (copy_of(study, tmp_path / name) for name in ("one", "several"))
    only = {"only": FilterConfig(symmetry="rot90")}
    few = {"images": 10, "bn_images": 20, "k": 1, "quantities": "eigenvalues", "subspaces": "own"}
    few, looks = few | only, {"images": 4, "shifts": 1, **only}
    paths = {"points": 3, "plane_points": 0, "along": "trajectory", **only}
    sharpness(SharpnessConfig(study="tests", root=str(one), **few))
    interpolate(asking(one, **paths))
    audit(AuditConfig(study="tests", root=str(one), **looks))
    for i in (1, 0):
        sharpness(SharpnessConfig(study="tests", root=str(several), shard=i, shards=2, **few))
        interpolate(asking(several, **paths, shard=i, shards=2))
        audit(AuditConfig(study="tests", root=str(several), shard=i, shards=2, **looks))
    assert made(one, "audit") == made(several, "audit")
    assert made(one, "sharpness") == made(several, "sharpness")
    assert made(one, "interpolate") == made(several, "interpolate")


def test_a_result_that_came_while_tables_were_written_makes_them_stale(tmp_path):
    table = tmp_path / "summary.csv"
    first = Listing.of(tmp_path)
    (tmp_path / "late.json").write_text("{}")  # Older than the table, and not in it.
    table.write_text("")
    first.keep()
    assert not first.is_stale([table])
    second = Listing.of(tmp_path)
    assert second.is_stale([table])
    second.keep()
    assert not Listing.of(tmp_path).is_stale([table])
    assert second.lacks([tmp_path / "late.json", tmp_path / "x.json"]) == [tmp_path / "x.json"]
