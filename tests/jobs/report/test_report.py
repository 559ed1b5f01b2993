"""The report of a study as its page says it."""

import re

import pytest
import yaml

from benchmarks.synthetic import write_pairs, write_runs, write_sharpness, write_trajectories
from symscape.config.report import ReportConfig, read_claims
from symscape.errors import SymscapeError
from symscape.jobs.report.commands import training_of
from symscape.jobs.report.groups import Subject, strata_of
from symscape.jobs.report.job import report
from symscape.plots.barriers.draw import draw_barriers
from tests.smoke.door import ROOT, call
from tests.smoke.forked import forked

KINDS = [{"symmetry": name} for name in ("vanilla", "hflip", "rot90")]
CLAIM = {
    "name": "mine",
    "text": "rot90 is flatter",
    "quantity": "curvature",
    "definition": "own/none/eigenvalue_1",
    "direction": "falling",
    "groups": [{"symmetry": "vanilla"}, {"symmetry": "rot90"}],
}


@pytest.fixture(scope="module")
def runs(tmp_path_factory):
    runs = write_runs(tmp_path_factory.mktemp("report"), "made", KINDS, seeds=3, epochs=4)
    place = runs[0].folder.parents[1]
    write_pairs(place, runs, lambda a, b: 1.0 + a.config.seed / 10 + (a.config != b.config))
    write_trajectories(place, runs, lambda run: 2.0 + run.config.seed / 10)
    tops = {"vanilla": 30.0, "hflip": 20.0, "rot90": 10.0}
    write_sharpness(place, runs, lambda r, _: tops[r.config.symmetry.name] + r.config.seed)
    return runs


def made(runs, **changes):
    config = ReportConfig(study="made", root=str(runs[0].folder.parents[2]), **changes)
    return report(config).read_text()


def test_the_page_holds_the_numbers_their_files_and_commands_and_no_address(runs, capsys):
    text = made(runs, claims=[CLAIM])
    assert capsys.readouterr().out.strip().endswith("report.html")
    root = runs[0].folder.parents[2]
    assert f"python interpolate.py study=made root={root}</code>" in text
    for file in (
        "interpolate/summary.csv",
        "sharpness/runs-00000000/sharpness.csv",
        "verdicts.csv",
    ):
        assert f'href="{file}"' in text and (root / "made" / file).exists()
    assert "-20.00 [" in text and 'class="mark supported"' in text
    page = text[: text.index('<script type="text/plain" id="plotly">')]
    assert not re.findall(r"""(?:src|href)=["']?(?:https?:)?//|@import|url\(""", page)


def test_what_was_not_measured_is_named_with_the_command_that_would(runs):
    text = made(runs)
    missing = text[text.index('<section id="missing">') :]
    assert "python audit.py study=made" in missing and "align=activations" in missing
    assert '<section id="audit">' not in text and '<section id="verdicts">' not in text


def test_single_runs_without_results_are_a_page_too(tmp_path):
    write_runs(tmp_path, "few", KINDS[:2], seeds=1, epochs=1)
    groups = [{"symmetry": "vanilla"}, {"symmetry": "hflip"}]
    claim = {"name": "a", "quantity": "figure", "definition": "test/accuracy", "groups": groups}
    text = report(ReportConfig("few", str(tmp_path), [claim])).read_text()
    assert "two runs of each kind at least" in text
    assert text.count("<section") == 3, "verdicts, what was trained, what was not measured"


@pytest.mark.parametrize(("of", "said"), [("d4", "no such runs"), ("hflip", "not measured")])
def test_missing_runs_are_told_from_missing_measurements(tmp_path, of, said):
    write_runs(tmp_path, "few", KINDS[:2], seeds=2, epochs=1)
    groups = [{"symmetry": "vanilla"}, {"symmetry": of}]
    claim = {"name": "a", "quantity": "path", "definition": "ratio", "groups": groups}
    text = report(ReportConfig("few", str(tmp_path), [claim])).read_text()
    words = {"no such runs", "not measured"}
    assert {word for word in words if f">{word}</td>" in text} == {said}


def test_barriers_at_another_loss_and_of_curved_paths_say_so(tmp_path):
    runs = write_runs(tmp_path, "s", KINDS, seeds=2, epochs=1)
    folder = write_pairs(tmp_path / "s", runs, lambda a, b: 1.0 + b.config.seed)
    for path in folder.glob("*.json"):
        path.write_text(
            path.read_text().replace('"align": "none"', '"align": "none", "at": "loss:1"')
        )
    claim = {"name": "a", "quantity": "barrier", "definition": "max", "align": "none"}
    claim["groups"] = [{"symmetry": "hflip", "to": {"symmetry": s}} for s in ("vanilla", "rot90")]
    text = report(ReportConfig("s", str(tmp_path), [claim])).read_text()
    assert "Barriers, align=none, bn=reset, at=loss:1" in text
    curved = folder.rename(folder.with_name("quadratic-none-reset-0"))
    (curved / "curves.csv").rename(curved / "paths.csv")
    table = (curved.parent / "summary.csv").read_text().replace(folder.name, curved.name)
    (curved / "summary.csv").write_text(table)
    (curved.parent / "summary.csv").unlink()
    text = report(ReportConfig("s", str(tmp_path), [claim])).read_text()
    assert "Barriers quadratic, align=none, bn=reset" in text


def test_barriers_at_several_losses_are_a_picture(tmp_path):
    """Of the page, and in the folder of each loss."""
    runs = write_runs(tmp_path, "s", KINDS, seeds=2, epochs=1)
    for level in (1.5, 0.5):
        folder = write_pairs(tmp_path / "s", runs, lambda a, b, h=level: h, at=f"loss:{level}")
    text = report(ReportConfig("s", str(tmp_path))).read_text()
    assert text.count("<figcaption>At equal train loss, align=none, bn=reset</figcaption>") == 1
    for level in ("0.5", "1.5"):
        assert text.count(f"at=loss:{level}</code>") == 1
    assert folder / "pictures" / "at_loss.png" in draw_barriers(folder)
    assert len(list(tmp_path.glob("s/interpolate/*/pictures/at_loss.png"))) == 2


def test_claims_come_from_a_file(runs, tmp_path):
    path = tmp_path / "mine.yaml"
    path.write_text(yaml.safe_dump({"claims": [CLAIM]}))
    assert "rot90 is flatter" in made(runs, claims=str(path))
    with pytest.raises(SymscapeError, match=r"claims=\S*none.yaml: cannot be read"):
        made(runs, claims=str(tmp_path / "none.yaml"))
    path.write_text("claims:\n- name: a\n  groups: [x, y\n")
    with pytest.raises(SymscapeError, match=r"mine.yaml: cannot be read: line 4: expected ',' or"):
        made(runs, claims=str(path))


def test_the_page_about_reports_shows_a_claim_that_can_be_used():
    (block,) = re.findall(r"```yaml\n(.*?)```", (ROOT / "docs" / "report.md").read_text(), re.S)
    (claim,) = read_claims(yaml.safe_load(block)["claims"])
    assert claim.groups[0].of == {"symmetry.name": ["random"], "symmetry.like": ["rot90"]}


def test_runs_that_differ_otherwise_are_not_compared(tmp_path):
    wide = write_runs(tmp_path, "s", [*KINDS, {"symmetry": "rot90", "compile": True}], 2, epochs=2)
    (claim,) = read_claims([CLAIM])
    subjects = [Subject(run) for run in wide]
    sizes = {s.about: len(s.subjects) for s in strata_of(claim, subjects)}
    assert sizes == {"": 4, "compile=True": 2}


def test_the_command_of_a_run_trains_it_again(runs):
    place = runs[-1].folder.parents[2]
    wanted = f"python train.py study=made root={place} data=cifar10 model=resnet18 symmetry=rot90"
    assert training_of(runs[-1]) == f"{wanted} seed=2"


BAD = {
    "quantity": ("hight", "did you mean .*barrier|allowed are barrier"),
    "direction": ("up", "allowed are rising, falling"),
    "groups": ([{"symmetry": "rot90"}], "two groups or more"),
    "definition": ([], "is needed"),
}


@pytest.mark.parametrize("key", BAD)
def test_a_claim_that_cannot_be_used_is_one_line(key):
    value, said = BAD[key]
    with pytest.raises(SymscapeError, match=rf"claims.mine.{key}=.*({said})"):
        read_claims([{**CLAIM, key: value}])


def test_keys_that_no_claim_or_run_has_are_named():
    with pytest.raises(SymscapeError, match=r"claims.mine.directon: no such key; .*'direction'"):
        read_claims([{**CLAIM, "directon": "rising"}])
    groups = [{"symetry": "vanilla"}, {"symmetry": "rot90"}]
    with pytest.raises(SymscapeError, match=r"claims.mine.groups.symetry: no such.*'symmetry'"):
        read_claims([{**CLAIM, "groups": groups}])
    with pytest.raises(SymscapeError, match="quantity=barrier needs `to`"):
        read_claims([{**CLAIM, "quantity": "barrier", "definition": "max"}])
    with pytest.raises(SymscapeError, match="two claims have this name"):
        read_claims([CLAIM, CLAIM])


def test_the_door_says_what_it_cannot_do_in_one_line(tmp_path):
    for words, said in {
        "study=none": "study=none: no study is below multirun: train.py study=NAME makes one",
        "claims=[{name: a, quantty: b}]": "error: claims.a.quantty: no such key; did you mean",
    }.items():
        result = forked(tmp_path, "report", words)
        assert result.returncode == 1
        lines = result.stderr.strip().splitlines()
        assert len(lines) == 1 and said in lines[0], result.stderr


def test_the_door_writes_the_page_with_the_claims_of_its_file(runs):
    root = runs[0].folder.parents[2]
    result = call(ROOT, "report", "study=made", f"root={root}", COLUMNS="100")
    assert result.returncode == 0, result.stderr
    assert result.stdout.strip().splitlines()[-1] == f"{root}/made/report.html"
    assert "C5" in result.stdout and "undecided" in result.stdout
