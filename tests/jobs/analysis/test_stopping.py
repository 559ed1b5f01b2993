"""An analysis that is stopped while a file is written goes on later, with the same numbers."""

import json
import os
import signal
from pathlib import Path

import pytest

from symscape.config.analysis import FilterConfig
from symscape.config.audit import AuditConfig
from symscape.config.sharpness import SharpnessConfig
from symscape.curvature.hessian import Hessian
from symscape.jobs.audit.job import audit
from symscape.jobs.interpolate.job import interpolate
from symscape.jobs.sharpness.job import sharpness
from tests.jobs.sending import at_file, interrupted
from tests.jobs.study import asking, copy_of

DOORS = ("interpolate", "sharpness", "audit")
FEW = {"images": 10, "bn_images": 20, "k": 1, "quantities": "eigenvalues", "subspaces": "own"}


def line(root: Path) -> None:
    interpolate(asking(root, align="best", restarts=1, points=3, only=FilterConfig(seed=0)))


def path(root: Path) -> None:
    only = FilterConfig(seed=0, symmetry="rot90")
    interpolate(asking(root, along="trajectory", points=3, plane_points=3, only=only))


def curvature(root: Path) -> None:
    sharpness(SharpnessConfig(study="tests", root=str(root), only=FilterConfig(seed=0), **FEW))


def looks(root: Path) -> None:
    audit(AuditConfig(study="tests", root=str(root), only=FilterConfig(seed=0), images=4, shifts=1))


def numbers(root: Path) -> dict[str, object]:
    """All that the results say, but for times."""
    found = {}
    for file in (file for door in DOORS for file in root.glob(f"tests/{door}/*/*.json")):
        entries = json.loads(file.read_text())
        for key in ("finished", "seconds"):
            del entries[key]
        for point in entries.get("points", []):
            for measure in point["measures"]:
                measure["eigenvalues"].pop("seconds")
        entries.get("alignment", {}).pop("seconds", None)
        for reference in ("a", "b", "run", "subject"):
            entries.get(reference, {}).pop("folder", None)
        found[str(file.relative_to(root))] = entries
    return found


@pytest.mark.slow
@pytest.mark.parametrize("analysis", [line, path, curvature, looks])
def test_a_signal_while_any_file_is_written(study, tmp_path, monkeypatch, analysis):
    whole = copy_of(study, tmp_path / "whole")
    with monkeypatch.context() as patch:
        files = at_file(patch, 0)
        analysis(whole)
    assert any(file.suffix == ".json" for file in files)
    stops = 0
    for k in range(1, len(files) + 1):
        root = copy_of(study, tmp_path / str(k))
        with monkeypatch.context() as patch:
            at_file(patch, k)
            stops += interrupted(lambda root=root: analysis(root))
        assert not list(root.rglob("*.part"))
        analysis(root)
        assert numbers(root) == numbers(whole)
    assert stops >= 1


def test_a_signal_between_products_ends_the_work(study, tmp_path, monkeypatch):
    """Within the first result: nothing is written, and the same command makes all."""
    product, made = Hessian.product, []

    def sending(self, vector):
        made.append(1)
        if len(made) == 2:
            os.kill(os.getpid(), signal.SIGTERM)
        return product(self, vector)

    root = copy_of(study, tmp_path)
    with monkeypatch.context() as patch:
        patch.setattr(Hessian, "product", sending)
        assert interrupted(lambda: curvature(root))
    assert len(made) == 2
    assert not list(root.glob("tests/sharpness/*/*.json"))
    curvature(root)
    assert len(list(root.glob("tests/sharpness/*/*.json"))) == 2
