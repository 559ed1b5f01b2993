"""Runs of networks on groups under the instruments that all runs are under."""

from dataclasses import replace

import pytest
from pytest import approx

from symscape.config.analysis import FilterConfig
from symscape.config.audit import AuditConfig
from symscape.config.network.lie import GroupConfig, KernelConfig
from symscape.config.report import SummaryConfig
from symscape.config.sharpness import SharpnessConfig
from symscape.errors import SymscapeError
from symscape.jobs.audit.job import audit
from symscape.jobs.interpolate.job import interpolate
from symscape.jobs.sharpness.job import sharpness
from symscape.jobs.summary.job import summarise
from symscape.jobs.train.job import train
from symscape.runs.results import (
    AuditResult,
    PairResult,
    PathResult,
    SharpnessResult,
    read_results,
)
from tests.jobs.study import SMALL, asking, copy_of
from tests.jobs.train.test_on_groups import on_group


@pytest.fixture(scope="module")
def trained(tmp_path_factory):
    folder = tmp_path_factory.mktemp("groups")
    base = on_group(folder, sampling="fixed")
    for kernel in ("separable", "nonseparable"):
        train(replace(base, kernel=KernelConfig(kernel, hidden=4)))
    return folder


@pytest.fixture
def root(trained, tmp_path):
    return copy_of(trained, tmp_path)


def found(root, kind, result):
    (folder,) = {p.parent for p in (root / "tests" / kind).rglob("*.json")}
    return list(read_results(folder, result))


@pytest.mark.parametrize("align", ["activations", "weights"])
def test_a_line_between_two_factorisations_stays_equivariant(root, align):
    interpolate(asking(root, align=align, transform=["rot90"], points=3))
    (pair,) = found(root, "interpolate", PairResult)
    assert {pair.a.symmetry, pair.b.symmetry} == {"se2-separable", "se2-nonseparable"}
    upright, turned = (pair.curves[split]["loss"] for split in ("test", "test/rot90"))
    assert turned == approx(upright, rel=1e-5)
    assert pair.alignment["moved_share"] > 0 and pair.alignment["largest_logit_change"] < 1e-4


def test_a_path_between_two_factorisations_stays_equivariant(root):
    changes = {"path": "quadratic", "path_epochs": 1, "path_lr": 0.5, "transform": ["rot90"]}
    interpolate(asking(root, points=3, **changes))
    (pair,) = found(root, "interpolate", PathResult)
    assert pair.training["coordinates"] == "own" and pair.training["bend"] > 1e-3
    upright, turned = (pair.curves[split]["loss"] for split in ("test", "test/rot90"))
    assert turned == approx(upright, rel=1e-5)
    assert upright[1] != approx(pair.line["curves"]["test"]["loss"][1], rel=1e-3)


def test_curvature_within_the_ties_is_at_most_that_of_all_kernels(root):
    few = {"images": 8, "bn_images": 60, "k": 1, "trace_products": 9, "scalings": "none"}
    only = FilterConfig(kernel="separable")
    subspaces = ["own", "ambient", "complement"]
    quantities = ["eigenvalues"]
    sharpness(
        SharpnessConfig(
            study="tests", root=str(root), only=only, subspaces=subspaces, precision="float64",
            quantities=quantities, **few,
        )
    )  # fmt: skip
    (result,) = found(root, "sharpness", SharpnessResult)
    own, ambient, rest = (
        next(m for m in result.points[0]["measures"] if m["subspace"] == name) for name in subspaces
    )
    assert own["eigenvalues"]["values"][0] <= ambient["eigenvalues"]["values"][0] * (1 + 1e-6)
    # Of four entries that quarter turns tie one is free, and three are not.
    tied = rest["dimension"] // 3
    assert ambient["dimension"] - own["dimension"] == 3 * tied and rest["dimension"] == 3 * tied > 0


def test_an_audit_and_a_summary_call_them_by_their_group(root, capsys):
    audit(AuditConfig(study="tests", root=str(root), images=40, shifts=1))
    results = found(root, "audit", AuditResult)
    assert {r.subject.symmetry for r in results} == {"se2-separable", "se2-nonseparable"}
    for result in results:
        assert result.consistency["views"]["rot90"]["agreement"]["mean"] == 1
        assert (result.invariance or {}).get("defect", 0.0) < 1e-6
        turns = result.about["tied"]
        assert turns == ["rot90", "rot180", "rot270"]
        for layer in result.kernels["final"]:
            assert max(layer["moved"][name] for name in turns) < 1e-6
    summarise(SummaryConfig(study="tests", root=str(root)))
    assert "se2-nonseparable" in (root / "tests" / "summary.md").read_text()
    assert "se2-separable" in capsys.readouterr().out


def test_networks_on_unlike_grids_have_no_line_between_them(root, capsys):
    other = replace(on_group(root, sampling="fixed"), group=GroupConfig("se2", rotations=2))
    alone = train(other).folder
    interpolate(asking(root, **{**SMALL, "points": 3}))
    said = " ".join(capsys.readouterr().out.split())
    assert "left out: 2 of 3 pairs are unlike" in said and "group.rotations differs" in said
    assert len(found(root, "interpolate", PairResult)) == 1
    first = next(p for p in (root / "tests").glob("*/seed=0") if p != alone)
    with pytest.raises(SymscapeError, match=r"group.rotations differs \(\d and \d\)") as error:
        interpolate(asking(root, a=str(first), b=str(alone)))
    assert "\n" not in str(error.value)
