"""One network on several processes: the result of one process, and what befalls the processes."""

import os
import signal
import subprocess
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest
import torch

from symscape.config.groups import OptimizerConfig
from symscape.errors import ConfigError, SymscapeError
from symscape.jobs.train.job import TrainResult, train
from symscape.runs.find import find_runs
from symscape.runs.lock import is_locked
from symscape.runs.manifest import read_manifest
from symscape.training.hardware import check_ranks, resolve_hardware
from tests.jobs.tiny import stop_in_epoch, tiny
from tests.jobs.train.ragged import assert_close, ragged, rows, table
from tests.training.loggers.wandb_records import history, of_kind, records


@pytest.fixture(scope="module")
def alone(tmp_path_factory) -> TrainResult:
    return train(ragged(tmp_path_factory.mktemp("alone"), devices=1))


@pytest.mark.slow
def test_two_processes_get_the_result_of_one(alone, pair):
    assert pair.folder.parts[-2:] == alone.folder.parts[-2:]
    assert_close(alone.folder, pair.folder)
    for key in ("train/accuracy", "val/accuracy"):
        assert [r[key] for r in table(pair.folder, "metrics.csv")] == [
            r[key] for r in table(alone.folder, "metrics.csv")
        ]


@pytest.mark.slow
def test_one_of_them_writes(alone, pair):
    files, theirs = (
        {os.path.relpath(path, folder) for path in folder.parent.rglob("*")}
        for folder in (alone.folder, pair.folder)
    )
    assert files == {path for path in theirs if not path.startswith("wandb")}
    log = (pair.folder / "train.log").read_text()
    assert log.count("epoch 1/3") == log.count("training in") == log.count("test accuracy") == 1
    manifest = read_manifest(pair.folder)
    assert manifest.status == "completed" and len(manifest.started) == 1
    assert manifest.resolved["name"].startswith("2 x ")
    assert not is_locked(pair.folder)


@pytest.mark.slow
def test_a_finished_run_starts_no_process(pair, monkeypatch):
    monkeypatch.setattr(subprocess, "Popen", None)
    again = train(ragged(pair.folder.parents[2]))
    assert not again.trained and again.figures == pair.figures


def children() -> set[int]:
    """Processes of this one that are not yet waited for."""
    tasks = Path("/proc/self/task").iterdir()
    return {int(pid) for task in tasks for pid in (task / "children").read_text().split()}


@contextmanager
def at(moment: Callable[[], bool], do: Callable[[], None]) -> Iterator[None]:
    """Do something once, from a thread, when a moment has come."""
    over = threading.Event()

    def watch() -> None:
        while not over.wait(0.005):
            if moment():
                do()
                return

    thread = threading.Thread(target=watch)
    thread.start()
    try:
        yield
    finally:
        over.set()
        thread.join()


@pytest.mark.slow
@pytest.mark.parametrize(("ranks", "which"), [(2, 0), pytest.param(3, 1, marks=pytest.mark.long)])
def test_a_killed_rank_ends_the_others_and_the_run_resumes_to_the_same_bits(
    tmp_path, pair, ranks, which
):
    """From three ranks on, the order of a sum matters."""
    undisturbed = pair if ranks == 2 else train(ragged(tmp_path / "a", ranks))
    config = ragged(tmp_path / "b", ranks)
    before = children()
    seen: list[int] = []

    def kill() -> None:
        seen.extend(sorted(children() - before))
        os.kill(seen[which], signal.SIGKILL)

    expected = f"rank {which} of {ranks} was killed by SIGKILL"
    with at(rows(tmp_path / "b", 1), kill), pytest.raises(SymscapeError, match=expected):
        train(config)
    assert len(seen) == ranks and children() == before
    (run,) = find_runs(tmp_path / "b", "tests")
    assert run.state == "failed" and run.manifest.message == expected
    assert expected in (run.folder / "train.log").read_text()
    assert train(config).trained
    assert read_manifest(run.folder).weights == read_manifest(undisturbed.folder).weights
    for name in ("metrics.csv", "symmetry.csv"):
        assert table(run.folder, name) == table(undisturbed.folder, name)


@pytest.mark.slow
@pytest.mark.long
def test_a_run_begun_alone_goes_on_with_others(tmp_path, monkeypatch):
    options = {"symmetry": {"name": "rot90", "parametrization": "penalty", "strength": 0.1}}
    undisturbed = train(ragged(tmp_path / "a", devices=1, **options))
    stop_in_epoch(monkeypatch, 1, lambda: os.kill(os.getpid(), signal.SIGINT))
    with pytest.raises(KeyboardInterrupt):
        train(ragged(tmp_path / "b", devices=1, **options))
    resumed = train(ragged(tmp_path / "b", **options))
    assert len(read_manifest(resumed.folder).started) == 2
    assert_close(undisturbed.folder, resumed.folder)


@pytest.mark.slow
def test_a_loss_that_is_not_finite_ends_all_ranks(tmp_path):
    before = children()
    with pytest.raises(SymscapeError, match=r"^loss=(nan|inf) at step \d+: not finite"):
        train(ragged(tmp_path, optimizer=OptimizerConfig(lr=1e30)))
    (run,) = find_runs(tmp_path, "tests")
    assert run.state == "failed" and "not finite" in run.manifest.message
    assert children() == before


@pytest.mark.slow
def test_w_and_b_sees_one_run(pair):
    found = records(pair.folder)
    assert len(of_kind(found, "run")) == 1
    assert [e.exit_code for e in of_kind(found, "exit")] == [0]
    logged = [row for row in history(found) if "train/loss" in row]
    assert [row["epoch"] for row in logged] == [1, 2, 3]


def test_batches_and_norms_that_cannot_be_shared_are_refused(tmp_path):
    config = ragged(tmp_path)
    config.trainer.accelerator = "cpu"
    hardware = resolve_hardware(config.trainer, {})
    check_ranks(config, hardware, batchnorm=False)
    with pytest.raises(ConfigError, match=r"synchronised on GPUs only"):
        check_ranks(config, hardware, batchnorm=True)
    config.data.batch_size = 1
    with pytest.raises(ConfigError, match=r"data.batch_size=1: must be >= 2 devices"):
        check_ranks(config, hardware, batchnorm=False)


@pytest.mark.skipif(torch.cuda.is_available(), reason="there is a GPU")
def test_devices_that_are_not_there(tmp_path):
    config = ragged(tmp_path)
    config.trainer.devices = None
    with pytest.raises(ConfigError, match=r"trainer.devices=null: no GPU to count"):
        train(config)
    assert not list(tmp_path.rglob("manifest.json"))


@pytest.mark.slow
@pytest.mark.skipif(torch.cuda.device_count() < 2, reason="needs two GPUs")
def test_two_gpus_synchronise_batch_norm(tmp_path):
    options = {"data": {"batch_size": 35}, "trainer": {"precision": "float64"}}
    single = train(tiny(tmp_path / "a", **options))
    options["trainer"] |= {"name": "ddp", "devices": 2}
    pair = train(tiny(tmp_path / "b", **options))
    assert pair.figures == pytest.approx(single.figures, rel=1e-6)
