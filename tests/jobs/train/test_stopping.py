"""A run that is asked to stop while a file is written is interrupted, never failed."""

import os
import signal
from pathlib import Path

import pytest

from symscape.data import load as images
from symscape.jobs.train.job import train
from symscape.runs.find import find_runs
from symscape.runs.lock import is_locked
from tests.jobs.sending import at_file, at_write_of_checkpoint, interrupted
from tests.jobs.tiny import final_hash, tiny

WRITES = 8
"""At least so many writes a checkpoint: those of torch.save's zip archive."""


@pytest.fixture(scope="module")
def undisturbed(tmp_path_factory):
    return final_hash(train(tiny(tmp_path_factory.mktemp("undisturbed"))))


def check_resumable(config, expected) -> None:
    """The run counts as interrupted, and the same config ends it with the same bits."""
    root = Path(config.root)
    (run,) = find_runs(root, config.study)
    assert run.state == "interrupted" and not run.manifest.message
    assert not is_locked(run.folder)
    assert not list(root.rglob("*.part"))
    assert final_hash(train(config)) == expected
    assert find_runs(root, config.study)[0].state == "completed"


@pytest.mark.parametrize(
    ("k", "number"),
    [
        *((k, signal.SIGTERM) for k in range(1, WRITES + 1)),
        (2, signal.SIGINT),
        (3, signal.SIGUSR2),
    ],
)
@pytest.mark.usefixtures("no_pictures")
def test_a_signal_at_any_write_of_a_checkpoint(tmp_path, monkeypatch, undisturbed, k, number):
    config = tiny(tmp_path)
    with monkeypatch.context() as patch:
        made = at_write_of_checkpoint(patch, k, number)
        assert interrupted(lambda: train(config))
    assert made[0].writes >= WRITES
    check_resumable(config, undisturbed)


@pytest.mark.slow
@pytest.mark.usefixtures("no_pictures")
def test_a_signal_while_any_file_of_a_run_is_written(tmp_path, monkeypatch, undisturbed):
    with monkeypatch.context() as patch:
        files = at_file(patch, 0)
        train(tiny(tmp_path / "all"))
    names = [path.name for path in files]
    assert {"manifest.json", "config.yaml", "last.ckpt", "final.safetensors"} <= set(names)
    for k, name in enumerate(names, start=1):
        config = tiny(tmp_path / str(k))
        with monkeypatch.context() as patch:
            at_file(patch, k)
            stopped = interrupted(lambda config=config: train(config))
        last = k == len(names)
        assert stopped != last, f"file {k}, {name}"  # After the last one the run is completed.
        if stopped:
            check_resumable(config, undisturbed)
        assert final_hash(train(config)) == undisturbed


def test_a_signal_while_the_images_are_loaded(tmp_path, monkeypatch, undisturbed):
    load = images.load_data

    def loading(*wanted):
        os.kill(os.getpid(), signal.SIGTERM)
        return load(*wanted)

    config = tiny(tmp_path)
    with monkeypatch.context() as patch:
        patch.setattr(images, "load_data", loading)
        assert interrupted(lambda: train(config))
    assert not list(tmp_path.rglob("manifest.json"))  # Nothing had begun.
    assert final_hash(train(config)) == undisturbed
