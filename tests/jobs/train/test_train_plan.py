"""A run keeps how its layers compute, and goes on in the same way."""

import json
from dataclasses import replace

import pytest

from symscape.config.groups import SymmetryConfig
from symscape.errors import ConfigError, SymscapeError
from symscape.jobs.console import console
from symscape.jobs.train.job import train
from symscape.layers.folding.processor import processor
from symscape.runs.find import weights_path
from symscape.runs.manifest import read_manifest
from symscape.runs.weights import read_weights
from symscape.training.callbacks.recorder import Recorder
from tests.jobs.tiny import tiny

pytestmark = pytest.mark.usefixtures("no_pictures")


class CrashError(Exception):
    """Ends a run between two epochs, as a crash does."""


def interrupted(config, monkeypatch) -> None:
    """Train one epoch of a run, and stop at the start of the second."""
    start = Recorder.on_train_epoch_start

    def stop(self, *arguments):
        if arguments[0].current_epoch == 1:
            raise CrashError
        start(self, *arguments)

    with monkeypatch.context() as patch, pytest.raises(CrashError):
        patch.setattr(Recorder, "on_train_epoch_start", stop)
        train(config)


def hash_of(result) -> str:
    return read_weights(weights_path(result.folder))[1]["sha256"]


def with_compute(config, compute, **more):
    return replace(config, symmetry=SymmetryConfig("rot90", compute=compute, **more))


def test_a_resumed_run_keeps_its_plan_to_the_bit(tmp_path, monkeypatch):
    whole = train(with_compute(tiny(tmp_path / "whole"), "fold"))
    chosen = json.loads((whole.folder / "plan.json").read_text())
    assert len(chosen["layers"]) == 19 and set(chosen["layers"].values()) == {"fold"}
    assert chosen["cpu"] == processor() == read_manifest(whole.folder).resolved["cpu"]
    parted = with_compute(tiny(tmp_path / "parted"), "fold")
    interrupted(parted, monkeypatch)
    resumed = train(with_compute(parted, "auto"))
    assert hash_of(resumed) == hash_of(whole)
    assert json.loads((resumed.folder / "plan.json").read_text()) == chosen


def test_a_run_from_before_plans_goes_on_directly(tmp_path, monkeypatch):
    config = with_compute(tiny(tmp_path), "fold")
    interrupted(config, monkeypatch)
    folder = next(tmp_path.rglob("plan.json")).parent
    (folder / "plan.json").unlink()
    train(with_compute(config, "auto"))
    kept = json.loads((folder / "plan.json").read_text())
    assert set(kept["layers"].values()) == {"direct"}


def test_a_plan_of_an_earlier_version_is_kept(tmp_path, monkeypatch):
    config = with_compute(tiny(tmp_path), "fold")
    interrupted(config, monkeypatch)
    path = next(tmp_path.rglob("plan.json"))
    layers = json.loads(path.read_text())["layers"]
    path.write_text(json.dumps(layers))
    train(with_compute(config, "auto"))
    assert json.loads(path.read_text()) == {"cpu": "", "layers": layers}


@pytest.mark.parametrize("text", ["{", "[]", '{"conv": "fold"}', '{"layers": []}'])
def test_a_damaged_plan_is_one_line(tmp_path, monkeypatch, text):
    config = with_compute(tiny(tmp_path), "fold")
    interrupted(config, monkeypatch)
    path = next(tmp_path.rglob("plan.json"))
    path.write_text(text)
    with pytest.raises(SymscapeError, match=r"plan\.json: damaged.*goes on without it"):
        train(with_compute(config, "auto"))


def test_folded_and_direct_runs_have_one_place_and_agree(tmp_path):
    runs = [train(with_compute(tiny(tmp_path / c), c)) for c in ("direct", "fold")]
    assert runs[0].folder.relative_to(tmp_path / "direct") == runs[1].folder.relative_to(
        tmp_path / "fold"
    )
    assert runs[1].figures["test/loss"] == pytest.approx(
        runs[0].figures["test/loss"], rel=1e-2
    )  # Rounding grows in training.


def test_explain_prints_every_layer(tmp_path):
    with console.capture() as capture:
        result = train(with_compute(tiny(tmp_path), "auto", explain=True))
    said = capture.get() + (result.folder / "train.log").read_text()
    assert said.count("stages.2.2.conv2") == 2
    assert "3 of 9" in said and "16 > 16, 3x3 / 1" in said


def test_a_compiled_network_is_the_compiler_s(tmp_path):
    with pytest.raises(ConfigError, match=r"symmetry\.compute=fold: compile=true takes"):
        replace(with_compute(tiny(tmp_path), "fold"), compile=True)
