"""Audits of real runs and of networks: what is measured, kept, compared and said."""

import csv
from typing import Any

import pytest
import torch
from torch import nn

from symscape.audit.consistency import measure_consistency
from symscape.config.analysis import FilterConfig, PlaceConfig
from symscape.config.audit import AuditConfig
from symscape.data.batches import Batches
from symscape.data.load import load_data
from symscape.jobs.audit.job import audit
from symscape.jobs.audit.numbers import numbers_of
from symscape.jobs.audit.words import lines_of, padding_said, where
from symscape.runs.find import find_runs, load_network
from symscape.runs.results import AuditResult, read_results
from symscape.symmetry.measures import mean_kernel, symmetry_score
from tests.jobs.study import copy_of

FEW = {"images": 40, "shifts": 1}


@pytest.fixture
def runs(study, tmp_path):
    return copy_of(study, tmp_path)


def asking(root, **changes: Any) -> AuditConfig:
    subject = {} if {"run", "network"} & changes.keys() else {"study": "tests"}
    return AuditConfig(**{"root": str(root), **subject, **FEW, **changes})


def results(root, study="tests"):
    (folder,) = (p for p in (root / study / "audit").iterdir() if p.is_dir())
    return folder, list(read_results(folder, AuditResult))


def rows(path):
    with path.open() as file:
        return list(csv.DictReader(file))


def test_a_study_becomes_results_tables_and_pictures(runs, capsys):
    audit(asking(runs))
    folder, found = results(runs)
    assert len(found) == 4
    for result in found:
        tied = result.subject.symmetry == "rot90"
        layers = result.kernels["final"]
        assert len(layers) == 19 and set(result.kernels) == {"init", "final"}
        run = next(
            r
            for r in find_runs(runs, "tests")
            if r.manifest.weights["final"] == result.subject.weights
        )
        kernels = [m.weight for m in load_network(run).modules() if isinstance(m, nn.Conv2d)]
        kernels = [mean_kernel(k.detach()) for k in kernels if k.shape[-1] > 1]
        elements = tuple(layers[0]["moved"])
        for layer, kernel in zip(layers, kernels, strict=True):
            assert layer["score"] == pytest.approx(symmetry_score(kernel, elements), abs=1e-6)
        assert numbers_of(result)["S/final"] == pytest.approx(1.0, abs=1e-6) or not tied
        assert result.padding["sites"] and result.padding["sizes"] == [[29, 33], [29, 33]]
        assert result.padding["drift"] == [-1.5, -1.5] and not result.invariance["exact"]
        assert set(result.consistency["views"]) >= {"hflip", "rot90", "shift", "roll"}
        assert len(result.consistency["accuracy"]["values"]) == 40
    for name in ("summary", "layers", "padding", "consistency"):
        assert rows(folder / f"{name}.csv")
    summary = rows(folder / "summary.csv")
    assert {r["n"] for r in summary} == {"2"}
    assert list(dict.fromkeys(r["label"] for r in summary)) == ["vanilla", "rot90"]
    pairs = rows(folder / "comparisons.csv")
    assert len(pairs) == 6 * (1 + 7 * 3)
    a, b = (r.consistency["accuracy"]["values"] for r in found[:2])
    (own,) = (
        r
        for r in pairs
        if (r["first"], r["second"], r["view"])
        == (found[0].subject.label, found[1].subject.label, "images")
    )
    assert int(own["first_only"]) == sum(x > y for x, y in zip(a, b, strict=True))
    pictures = {p.name for p in (folder / "pictures").iterdir()}
    assert pictures == {"profile.png", "mean_kernels.png", "padding.png", "consistency.png"}
    capsys.readouterr()
    audit(asking(runs))
    said = capsys.readouterr().out
    assert "4 of 4 results are there already" in said and "rot90" in said


def test_answers_are_those_of_the_run_on_its_test_images(runs):
    run = find_runs(runs, "tests")[0]
    audit(asking(runs, run=str(run.folder), quantities=["consistency"]))
    found = next(r for p in runs.rglob("audit/named/*") for r in read_results(p, AuditResult))
    data = load_data(run.config.data)
    images = data.test.subset(slice(40))
    batches = Batches(
        images, batch_size=40, mean=data.mean, std=data.std, device="cpu", shuffle=False
    )
    expected = measure_consistency(load_network(run), batches, shifts=1)
    view = found.consistency["views"]["shift"]
    assert view["agreement"]["mean"] == pytest.approx(expected.views["shift"].agreement.mean)
    assert found.consistency["accuracy"]["mean"] == expected.accuracy.mean
    assert not found.kernels and found.padding is None and found.invariance is None


def test_mitigations_of_a_run(runs, capsys):
    every = ["reflect", "partial", "blur", "sbpool", "size"]
    only = FilterConfig(symmetry="rot90", seed=0)
    audit(asking(runs, only=only, mitigations=every))
    folder, (result,) = results(runs)
    assert list(result.mitigations) == every
    for name in ("blur", "sbpool", "size"):
        found = result.mitigations[name]
        assert found["padding"]["balanced"] and found["invariance"]["exact"]
        assert found["consistency"]["views"]["hflip"]["agreement"]["mean"] == 1.0
    assert result.mitigations["size"]["input_size"] == [33, 33]
    for name in ("reflect", "partial"):
        found = result.mitigations[name]
        assert not found["padding"]["balanced"] and found["changed"] == 19
    table = rows(folder / "mitigations.csv")
    assert {r["retrained"] for r in table} == {"no"} and {r["mitigation"] for r in table} == set(
        every
    )
    assert (folder / "pictures" / "mitigations.png").exists()


class Tiny(nn.Module):
    """Reads the sign of the image's mean; balanced, with a global head."""

    def __init__(self):
        super().__init__()
        self.conv = nn.Conv2d(3, 2, 3, padding=1)

    def forward(self, x):
        return self.conv(x).mean((2, 3))


def images_below(root):
    """A folder of images of two classes: dark ones and bright ones."""
    from PIL import Image

    for part in ("train", "test"):
        for name, level in (("dark", 40), ("bright", 220)):
            (root / part / name).mkdir(parents=True)
            for i in range(3):
                Image.new("RGB", (20, 20), (level + i,) * 3).save(root / part / name / f"{i}.png")
    return root


def test_a_network_of_one_s_own_with_images(tmp_path, monkeypatch, capsys):
    monkeypatch.syspath_prepend(str(tmp_path))
    (tmp_path / "ownnets.py").write_text("from tests.jobs.audit.test_audit import Tiny\n")
    place = PlaceConfig(root=str(images_below(tmp_path / "images")), cache=str(tmp_path / "cache"))
    config = asking(tmp_path, network="ownnets:Tiny", input_size=16, data=place)
    audit(config)
    _, (result,) = results(tmp_path, "networks")
    assert result.consistency["images"] == 6 and result.consistency["classes_fit"]
    assert result.padding["balanced"] and result.invariance["exact"] and not result.left_out
    # Even images look the same however they are turned and moved.
    assert all(v["agreement"]["mean"] == 1 for v in result.consistency["views"].values())
    assert "same answer under hflip 100.0%" in capsys.readouterr().out
    # Without the images it is another question.
    audit(asking(tmp_path, network="ownnets:Tiny", input_size=16))
    assert sum(p.is_dir() for p in (tmp_path / "networks" / "audit").iterdir()) == 2


class Flat(nn.Module):
    """Reads each pixel by itself, so it takes images of 15 and 16 pixels alone."""

    def __init__(self):
        super().__init__()
        self.conv, self.head = nn.Conv2d(3, 2, 3, 2, 1), nn.Linear(128, 4)

    def forward(self, x):
        return self.head(self.conv(x).flatten(1))


def test_a_mitigation_that_fails_leaves_the_rest(tmp_path, monkeypatch, capsys):
    monkeypatch.syspath_prepend(str(tmp_path))
    (tmp_path / "flatnets.py").write_text("from tests.jobs.audit.test_audit import Flat as make\n")
    audit(asking(tmp_path, network="flatnets:make", input_size=16, mitigations=["size", "blur"]))
    _, (result,) = results(tmp_path, "networks")
    assert result.padding["sizes"] == [[15, None], [15, None]]
    assert result.mitigations["size"]["left"] == ["no balanced size within 64 px"]
    assert result.mitigations["blur"]["padding"]["balanced"]
    said = capsys.readouterr().out
    assert "balanced: 15; a positional head" in said


def test_two_files_of_weights_are_two_networks(tmp_path, monkeypatch):
    monkeypatch.syspath_prepend(str(tmp_path))
    (tmp_path / "twonets.py").write_text("from tests.jobs.audit.test_audit import Tiny as make\n")
    for name in ("a", "b"):
        torch.save(Tiny().state_dict(), tmp_path / f"{name}.pth")
        options = {"network": "twonets:make", "weights": str(tmp_path / f"{name}.pth")}
        audit(asking(tmp_path, input_size=8, quantities=["padding"], **options))
    _, found = results(tmp_path, "networks")
    assert {r.subject.label for r in found} == {"twonets:make a.pth", "twonets:make b.pth"}


@pytest.mark.parametrize(
    ("drift", "said"),
    [
        ([-15.5, -15.5], "15.5 px up and left"),
        ([2.0, 0.0], "2 px down"),
        ([0.0, 1.5], "1.5 px right"),
        ([-1.0, 2.0], "1 px up and 2 px right"),
    ],
)
def test_directions_in_words(drift, said):
    assert where(drift) == said


def test_padding_in_words():
    padding = {
        "sites": [{"stride": [2, 2], "offset": [0, 0]}],
        "drift": [0.0, 0.0],
        "misaligned": [],
        "sizes": [[1, 3], [1, 3]],
        "head": "positional",
        "unknown": "view in attn",
    }
    said = padding_said(padding)
    assert said.startswith("0 of 1 strided sites uneven; a positional head")
    assert said.endswith("unknown from view in attn on") and "balanced" not in said


def test_what_was_left_out_is_said(runs):
    audit(asking(runs, only=FilterConfig(seed=0, symmetry="rot90"), quantities=["padding"]))
    _, (result,) = results(runs)
    assert [name for name, _ in lines_of(result)] == ["padding"]
