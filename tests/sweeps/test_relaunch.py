"""The command of a sweep is killed, which nothing can prepare for, and given again."""

import os
import re
import signal
from pathlib import Path

import pytest

from tests.sweeps.slurm_cluster import cluster, missing
from tests.sweeps.sweeping import (
    LONG,
    RAY,
    final_hashes,
    finish,
    logs,
    processes_of,
    rows,
    runs,
    start,
    wait_for,
)

pytestmark = [pytest.mark.slow, pytest.mark.long, pytest.mark.timeout(900)]
EPOCHS = 8
WORDS = (*LONG, f"trainer.max_epochs={EPOCHS}", "data.augment=true", "seed=0,1")


@pytest.fixture(scope="module")
def undisturbed(tmp_path_factory) -> dict[str, str]:
    """The weights' hashes of a sweep that nothing befalls."""
    folder = tmp_path_factory.mktemp("undisturbed")
    status, _, err = finish(start(folder, *WORDS))
    assert status == 0, err
    return final_hashes(folder)


def kill(folder: Path, *engine: str, **variables: str) -> None:
    """Start a sweep, and kill its command when the first run is done and the second one on."""
    sweep = start(folder, *WORDS, *engine, **variables)
    wait_for(lambda: sweep.poll() is not None or rows(folder, 1) > 2, 480)
    assert {run.manifest.seed: run.state for run in runs(folder)} == {0: "completed", 1: "running"}
    os.kill(sweep.pid, signal.SIGKILL)
    finish(sweep)


def check(folder: Path, undisturbed: dict[str, str]) -> None:
    """Each run is what it would have been, and never had two processes at once."""
    assert final_hashes(folder) == undisturbed
    for run in runs(folder):
        text = (run.folder / "train.log").read_text()
        epochs = [int(number) for number in re.findall(rf"epoch (\d+)/{EPOCHS}", text)]
        assert epochs == sorted(epochs) and set(epochs) == set(range(1, EPOCHS + 1))
        assert text.count("test accuracy") == 1
    # Jobs end with the command, seconds later; some of Ray's own processes take a minute.
    wait_for(lambda: not processes_of(folder))


@pytest.mark.parametrize("engine", [(), RAY], ids=["basic", "ray"])
def test_a_killed_sweep_goes_on_at_the_next_launch(tmp_path, undisturbed, engine):
    one_core = ("hydra.launcher.num_cpus=1",) if engine else ()
    kill(tmp_path, *engine, *one_core)
    status, out, err = finish(start(tmp_path, *WORDS, *engine, *one_core))
    assert status == 0, err
    assert "done    1" in out and "skipped    1" in out and "elsewhere" not in out
    assert any("resuming in" in log for log in logs(tmp_path))
    check(tmp_path, undisturbed)


def test_jobs_of_slurm_outlive_the_command_and_the_next_one_gets_along_with_them(
    tmp_path, undisturbed
):
    if reason := missing():
        pytest.skip(reason)
    with cluster(tmp_path / "slurm") as slurm:
        engine = ("hydra/launcher=slurm", "hydra.launcher.at_once=1")
        kill(tmp_path / "b", *engine, **slurm)
        status, out, err = finish(start(tmp_path / "b", *WORDS, *engine, **slurm))
        assert status == 0, err
        assert "skipped    1" in out and "failed    0" in out
        wait_for(lambda: not processes_of(tmp_path / "b"))
    check(tmp_path / "b", undisturbed)
