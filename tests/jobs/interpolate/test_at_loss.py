"""Lines between the first kept weights that fit well enough."""

import csv
from functools import partial

import pytest
from pytest import approx

from symscape.config.interpolate import InterpolateConfig
from symscape.errors import ConfigError, SymscapeError
from symscape.jobs.interpolate.job import interpolate
from symscape.runs.find import find_runs, kept_weights
from symscape.runs.results import PairResult, read_results
from tests.jobs.study import asking, copy_of

NO_LOSSES = ("loss", "loss:", "loss:-1", "loss:0", "loss:x", "0.8", "loss:nan")


def results(root, at):
    found = [
        result
        for folder in (root / "tests" / "interpolate").glob("none-reset-*")
        for result in read_results(folder, PairResult)
    ]
    return [result for result in found if result.settings.get("at", "final") == at]


def test_lines_end_at_the_first_weights_at_or_below_the_loss(study, tmp_path, capsys):
    runs = copy_of(study, tmp_path)
    ask = partial(asking, runs, pairs="within", points=3)
    interpolate(ask())
    ends = [r.curves["train"]["loss"][i] for r in results(runs, "final") for i in (0, -1)]
    # A level that all pass, some of them before their end.
    level = 1.001 * max(ends)
    interpolate(ask(at=f"loss:{level}"))
    assert f"at=loss:{level}" in capsys.readouterr().out
    found = results(runs, f"loss:{level}")
    assert len(found) == 2
    by_name = {(run.manifest.name, run.config.seed): run for run in find_runs(runs, "tests")}
    for result in found:
        note, curve = result.alignment["at"], result.curves["train"]["loss"]
        kept = [note["a"], note["b"]]
        assert note["level"] == level
        # What the search found is what the line has at its ends.
        assert [each["loss"] for each in kept] == approx([curve[0], curve[-1]], rel=1e-6)
        assert all(each["loss"] <= level for each in kept)
        for reference, each in zip((result.a, result.b), kept, strict=True):
            names = kept_weights(by_name[reference.name, reference.seed])
            before = names[: names.index(each["name"])]
            assert all((0 if name == "init" else int(name)) < each["step"] for name in before)
    with (runs / "tests" / "interpolate" / "summary.csv").open() as file:
        assert {row["at"] for row in csv.DictReader(file)} == {"", f"loss:{level}"}


def test_a_loss_above_all_is_that_of_the_first_weights(study, tmp_path):
    runs = copy_of(study, tmp_path)
    interpolate(asking(runs, pairs="within", points=3, at="loss:1000"))
    notes = [result.alignment["at"] for result in results(runs, "loss:1000")]
    assert [(n["a"]["name"], n["b"]["step"]) for n in notes] == [("init", 0)] * 2


def test_a_loss_that_is_never_reached_is_one_line(study, tmp_path):
    runs = copy_of(study, tmp_path)
    with pytest.raises(SymscapeError, match=r"at=loss:1e-09: .* never comes down to it \("):
        interpolate(asking(runs, at="loss:1e-9", pairs="within"))
    assert not list((runs / "tests" / "interpolate").rglob("*.json"))


@pytest.mark.parametrize(
    "value", ["loss", "loss:", "loss:-1", "loss:0", "loss:x", "0.8", "loss:nan"]
)
def test_what_is_no_loss_is_refused(value):
    with pytest.raises(ConfigError, match="allowed are final, loss:NUMBER"):
        InterpolateConfig(study="x", at=value)


def test_paths_of_training_have_no_other_end():
    with pytest.raises(ConfigError, match="a path takes final"):
        InterpolateConfig(study="x", at="loss:1", along="trajectory")
