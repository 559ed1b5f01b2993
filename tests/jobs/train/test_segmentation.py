"""A run whose network gives each pixel a class: trained, resumed, audited, looked at."""

import json

import pytest

from symscape.config.audit import AuditConfig
from symscape.config.data import DataConfig
from symscape.config.interpolate import InterpolateConfig
from symscape.config.network.model import ModelConfig
from symscape.config.sharpness import SharpnessConfig
from symscape.data.sets import shapes
from symscape.jobs.audit.job import audit
from symscape.jobs.interpolate.job import interpolate
from symscape.jobs.sharpness.job import sharpness
from symscape.jobs.train.job import train
from symscape.runs.results import AuditResult, SharpnessResult, read_results
from tests.jobs.tiny import final_hash, tiny

pytestmark = pytest.mark.usefixtures("no_pictures")

FEW = {"train": 60, "test": 12}


def config(root, **changes):
    base = tiny(root, trainer={"max_epochs": 1}, symmetry={"name": "d4"}, **changes)
    base.data = DataConfig("shapes", image_size=33, batch_size=8, augment="rot90")
    base.model = ModelConfig("unet", width=4)
    return base


@pytest.fixture
def few(monkeypatch):
    monkeypatch.setattr(shapes, "COUNTS", FEW)


@pytest.mark.slow
def test_from_training_to_every_instrument(tmp_path, few):
    first = train(config(tmp_path))
    figures = json.loads((first.folder / "metrics.json").read_text())
    assert 0 < figures["test/miou"] < 1 and 0 < figures["test/accuracy"] < 1
    assert max(figures[f"change/{t}"] for t in ("hflip", "rot90", "rot180")) < 1e-5
    assert final_hash(train(config(tmp_path / "again"))) == final_hash(first)
    train(config(tmp_path, seed=1))

    audit(AuditConfig(study="tests", root=str(tmp_path), images=6, shifts=1))
    (folder,) = (p for p in (tmp_path / "tests" / "audit").iterdir() if p.is_dir())
    for result in read_results(folder, AuditResult):
        views = result.consistency["views"]
        assert views["rot90"]["agreement"]["mean"] == views["hflip"]["border"]["mean"] == 1
        assert views["shift"]["agreement"]["mean"] <= 1 and 0 <= views["roll"]["miou"] <= 1
        assert result.padding["balanced"] and result.padding["head"] == "dense"
        assert result.invariance["exact"]

    few_images = {"images": 8, "bn_images": 16, "k": 1, "trace_products": 9}
    sharpness(
        SharpnessConfig(study="tests", root=str(tmp_path), quantities="eigenvalues", **few_images)
    )
    (folder,) = (tmp_path / "tests" / "sharpness").glob("runs-*")
    for result in read_results(folder, SharpnessResult):
        assert 0 < result.points[0]["loss"] < 10

    small = {"points": 3, "train_images": 16, "bn_images": 16, "test_images": 12}
    interpolate(InterpolateConfig(study="tests", root=str(tmp_path), align="none", **small))
    assert (tmp_path / "tests" / "interpolate" / "summary.csv").exists()
    interpolate(InterpolateConfig(study="tests", root=str(tmp_path), align="weights", **small))
    pairs = (tmp_path / "tests" / "interpolate").rglob("*.json")
    assert sum('"method": "weights"' in path.read_text() for path in pairs) == 1
