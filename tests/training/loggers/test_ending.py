"""A record is whole when its job has it: nothing of W&B's own may be needed any more."""

import os

import psutil
import pytest
import wandb

from symscape.errors import SymscapeError
from symscape.training.loggers.ending import end_record
from tests.training.loggers.wandb_records import of_kind, records


def begun(folder, **more):
    settings = wandb.Settings(console="off", silent=True)
    return wandb.init(project="p", mode="offline", dir=str(folder), settings=settings, **more)


def processes() -> list[psutil.Process]:
    """Return those of W&B's own that this process has started."""
    return [p for p in psutil.Process().children() if p.name() == "wandb-core"]


def test_a_record_that_has_ended_is_on_disk_and_needs_no_process(tmp_path):
    run = begun(tmp_path)
    run.log({"a": 1})
    assert len(processes()) == 1
    end_record(run, 3)
    assert not processes() and "WANDB_SERVICE" not in os.environ
    (end,) = of_kind(records(tmp_path), "exit")
    assert end.exit_code == 3


def test_other_runs_of_the_process_go_on(tmp_path):
    """As in a notebook, which has a run of its own."""
    own, ours = (begun(tmp_path / name, reinit="create_new") for name in ("own", "ours"))
    end_record(ours)
    assert len(processes()) == 1
    own.log({"a": 1})
    end_record(own)
    assert not processes()
    assert [e.exit_code for e in of_kind(records(tmp_path), "exit")] == [0, 0]


def test_a_process_that_died_is_said_in_one_line_and_the_next_run_has_another(tmp_path):
    run = begun(tmp_path)
    for process in processes():
        process.kill()
        process.wait()
    with pytest.raises(SymscapeError, match=r"logger=wandb: its process died \(.*\); the record"):
        end_record(run)
    end_record(begun(tmp_path / "next"))
    assert of_kind(records(tmp_path / "next"), "exit")
