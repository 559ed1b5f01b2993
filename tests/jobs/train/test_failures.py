"""The training job: how a run stops, resumes and fails."""

import csv
import math
import os
import pickle
import signal
from pathlib import Path

import pytest
import torch

from symscape.config.groups import OptimizerConfig
from symscape.errors import ConfigError, SymscapeError
from symscape.jobs.train.job import train
from symscape.runs.find import find_runs, open_run
from symscape.runs.identity import identify
from symscape.runs.lock import locked
from symscape.runs.manifest import read_manifest
from symscape.training.callbacks.recorder import Recorder
from tests.jobs.tiny import final_hash, stop_in_epoch, tiny

pytestmark = pytest.mark.usefixtures("no_pictures")


def test_force_that_cannot_start_leaves_the_old_run(tmp_path):
    config = tiny(tmp_path, trainer={"max_epochs": 1})
    folder = train(config).folder
    bad = tiny(tmp_path, trainer={"max_epochs": 1, "accelerator": "gpu"}, force=True)
    if torch.cuda.is_available():
        pytest.skip("there is a GPU")
    with pytest.raises(ConfigError, match="no GPU is visible"):
        train(bad)
    assert open_run(folder).state == "completed"


@pytest.mark.parametrize(
    ("number", "epoch", "precision"),
    [(signal.SIGINT, 0, "auto"), (signal.SIGTERM, 2, "auto"), (signal.SIGINT, 2, "float64")],
)
def test_an_interrupted_run_resumes_to_the_same_bits(
    tmp_path, monkeypatch, number, epoch, precision
):
    options = {"trainer": {"max_epochs": 3, "precision": precision}}
    undisturbed = train(tiny(tmp_path / "a", **options))
    stop_in_epoch(monkeypatch, epoch, lambda: os.kill(os.getpid(), number))
    config = tiny(tmp_path / "b", **options)
    with pytest.raises(KeyboardInterrupt):
        train(config)
    run = find_runs(tmp_path / "b", "tests")[0]
    assert run.state == "interrupted"
    resumed = train(config)
    assert final_hash(resumed) == final_hash(undisturbed)
    assert len(read_manifest(run.folder).started) == 2
    for name in ("metrics.csv", "symmetry.csv"):
        a, b = (
            [
                {k: v for k, v in row.items() if k not in ("seconds", "images_per_second")}
                for row in csv.DictReader((r.folder / name).open())
            ]
            for r in (undisturbed, resumed)
        )
        assert a == b
    assert read_manifest(run.folder).weights == read_manifest(undisturbed.folder).weights


def test_a_resumed_run_keeps_the_precision_it_began_with(tmp_path, monkeypatch):
    stop_in_epoch(monkeypatch, 1, lambda: os.kill(os.getpid(), signal.SIGINT))
    config = tiny(tmp_path, trainer={"precision": "auto"})
    with pytest.raises(KeyboardInterrupt):
        train(config)
    folder = find_runs(tmp_path, "tests")[0].folder
    before = read_manifest(folder).resolved["precision"]
    import symscape.training.hardware as hardware

    monkeypatch.setattr(hardware, "_native_bfloat16", lambda _: before != "bfloat16")
    train(config)
    assert read_manifest(folder).resolved["precision"] == before


def test_a_loss_that_is_not_finite_ends_the_run(tmp_path):
    config = tiny(tmp_path, optimizer=OptimizerConfig(lr=1e30))
    with pytest.raises(SymscapeError, match=r"loss=(nan|inf) at step \d+: not finite") as error:
        train(config)
    run = find_runs(tmp_path, "tests")[0]
    assert run.state == "failed" and run.manifest.message == str(error.value)
    assert "\n" not in str(error.value)


def test_weights_that_the_last_step_spoils_never_reach_the_checkpoint(tmp_path, monkeypatch):
    original = Recorder.on_train_batch_end

    def spoil(self, trainer, pl_module, *rest):
        original(self, trainer, pl_module, *rest)
        if trainer.global_step == 6:
            with torch.no_grad():
                pl_module.network.head.weight[0, 0] = math.inf

    monkeypatch.setattr(Recorder, "on_train_batch_end", spoil)
    config = tiny(tmp_path, data={"val_fraction": 0.0})
    with pytest.raises(SymscapeError, match="not finite"):
        train(config)
    run = find_runs(tmp_path, "tests")[0]
    assert run.state == "failed"
    assert not (run.folder / "weights" / "final.safetensors").exists()
    kept = torch.load(run.folder / "checkpoints" / "last.ckpt", weights_only=True)
    assert kept["global_step"] == 3
    assert all(t.isfinite().all() for t in kept["state_dict"].values())
    monkeypatch.setattr(Recorder, "on_train_batch_end", original)
    assert train(config).trained, "launching a failed run again resumes it"
    assert open_run(run.folder).state == "completed"


def test_a_second_process_is_refused(tmp_path):
    config = tiny(tmp_path)
    folder = identify(config, "digits").folder
    with locked(folder), pytest.raises(SymscapeError, match="is at work on it"):
        train(config)


@pytest.mark.parametrize("damage", ["cut", "flip", "foreign", "pickle"])
def test_a_damaged_checkpoint_is_one_line(tmp_path, monkeypatch, damage):
    stop_in_epoch(monkeypatch, 1, lambda: os.kill(os.getpid(), signal.SIGINT))
    config = tiny(tmp_path)
    with pytest.raises(KeyboardInterrupt):
        train(config)
    path = find_runs(tmp_path, "tests")[0].folder / "checkpoints" / "last.ckpt"
    raw, mark = bytearray(path.read_bytes()), tmp_path / "mark"
    raw[len(raw) // 2] ^= 1
    contents = {
        "cut": bytes(raw[: len(raw) // 2]),
        "flip": bytes(raw),
        "foreign": b"something else",
    }
    if damage == "pickle":
        torch.save({"state_dict": Malicious(mark)}, path)
    else:
        path.write_bytes(contents[damage])
    with pytest.raises(SymscapeError) as error:
        train(config)
    assert str(path) in str(error.value) and "\n" not in str(error.value)
    assert not mark.exists()
    assert open_run(path.parents[1]).state == "failed"


class Malicious:
    def __init__(self, mark: Path) -> None:
        self.mark = mark

    def __reduce__(self):
        return Path.touch, (self.mark,)


def test_the_malicious_object_is_a_danger_when_unpickled(tmp_path):
    pickle.loads(pickle.dumps(Malicious(tmp_path / "mark")))
    assert (tmp_path / "mark").exists()


@pytest.mark.parametrize("change", [{"model": {"width": 5}}, {"seed": 1}], ids=["width", "seed"])
def test_a_checkpoint_of_another_run_is_one_line(tmp_path, monkeypatch, change):
    stop_in_epoch(monkeypatch, 1, lambda: os.kill(os.getpid(), signal.SIGINT))
    config = tiny(tmp_path)
    with pytest.raises(KeyboardInterrupt):
        train(config)
    path = find_runs(tmp_path, "tests")[0].folder / "checkpoints" / "last.ckpt"
    other = train(tiny(tmp_path / "other", **change))
    path.write_bytes((other.folder / "checkpoints" / "last.ckpt").read_bytes())
    with pytest.raises(
        SymscapeError, match=r"not a checkpoint of this run|its checkpoint is one of"
    ) as error:
        train(config)
    assert str(path.parents[1]) in str(error.value) and "\n" not in str(error.value)


def test_a_batch_larger_than_the_data_is_one_line(tmp_path):
    with pytest.raises(ConfigError, match=r"data.batch_size=5000"):
        train(tiny(tmp_path, data={"batch_size": 5000}))
