"""One network on several processes, from outside: its end, and the launchers of other systems."""

import signal
import socket
import subprocess
import sys
import time
from collections.abc import Callable
from pathlib import Path

import pytest

from symscape.runs.find import find_runs, weights_path
from symscape.runs.manifest import read_manifest
from tests.jobs.train.ragged import rows
from tests.smoke.door import ROOT, command, environment
from tests.smoke.forked import forked

DOOR = (
    "data=digits",
    "data.val_fraction=0.9",
    "data.batch_size=36",
    "data.augment=true",
    "model=resnet20",
    "model.width=4",
    "model.norm=layer",
    "symmetry=rot90",
    "trainer=ddp",
    "trainer.devices=2",
    "trainer.precision=float64",
    "trajectory=4",
    "study=tests",
)


def door(folder: Path, *words: str, **variables: str) -> subprocess.Popen[str]:
    return subprocess.Popen(
        command("train", *DOOR, *words),
        cwd=folder,
        env=environment(**variables),
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
        start_new_session=True,
    )


def session(leader: int) -> list[int]:
    """Living processes of a session."""
    found = []
    for folder in Path("/proc").glob("[0-9]*"):
        try:
            state, _, _, number = (folder / "stat").read_text().rpartition(")")[2].split()[:4]
        except OSError:
            continue
        if int(number) == leader and state != "Z":
            found.append(int(folder.name))
    return found


def wait_for(condition: Callable[[], bool], seconds: float = 120) -> None:
    end = time.monotonic() + seconds
    while not condition():
        assert time.monotonic() < end
        time.sleep(0.01)


@pytest.mark.slow
@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGKILL])
def test_the_end_of_the_command_is_the_end_of_all(tmp_path, number):
    process = door(tmp_path, "trainer.max_epochs=40")
    wait_for(rows(tmp_path, 1))
    assert len(session(process.pid)) == 3
    process.send_signal(number)
    wait_for(lambda: not session(process.pid), 30)
    _, err = process.communicate()
    (run,) = find_runs(tmp_path / "multirun", "tests")
    assert run.state == "interrupted"
    assert "the same command resumes" in (run.folder / "train.log").read_text()
    if number == signal.SIGINT:
        assert process.returncode == 130 and err.strip() == "interrupted"


@pytest.mark.slow
@pytest.mark.long
def test_torchrun_starts_the_processes_of_a_sweep(tmp_path, pair):
    words = [sys.executable, "-m", "torch.distributed.run", "--standalone", "--nproc-per-node=2"]
    sweep = ["-m", *DOOR, "trainer.max_epochs=3", "seed=0,1"]
    for _ in range(2):  # The second time there is nothing to do.
        done = subprocess.run(
            [*words, str(ROOT / "train.py"), *sweep],
            cwd=tmp_path,
            env=environment(),
            capture_output=True,
            text=True,
            timeout=280,
            check=False,
        )
        assert done.returncode == 0, done.stderr
    runs = find_runs(tmp_path / "multirun", "tests")
    assert [(r.manifest.seed, r.state) for r in runs] == [(0, "completed"), (1, "completed")]
    assert all(len(r.manifest.started) == 1 for r in runs)
    assert runs[0].manifest.weights == read_manifest(pair.folder).weights
    assert weights_path(runs[1].folder).exists()


@pytest.mark.slow
@pytest.mark.long
def test_a_process_on_each_of_two_machines(tmp_path, pair):
    """With the variables that srun sets; both machines are this one."""
    with socket.create_server(("127.0.0.1", 0)) as server:
        port = str(server.getsockname()[1])
    words = ("trainer.devices=1", "trainer.num_nodes=2", "trainer.max_epochs=3")
    variables = {
        "SLURM_STEP_NUM_TASKS": "2",
        "SLURM_LOCALID": "0",
        "MASTER_ADDR": "127.0.0.1",
        "MASTER_PORT": port,
    }
    nodes = [door(tmp_path, *words, SLURM_PROCID=str(n), **variables) for n in (0, 1)]
    for node in nodes:
        _, err = node.communicate(timeout=280)
        assert node.returncode == 0, err
    (run,) = find_runs(tmp_path / "multirun", "tests")
    assert run.manifest.weights == read_manifest(pair.folder).weights


@pytest.mark.slow
def test_mistakes_are_one_line_and_leave_nothing(tmp_path):
    result = forked(tmp_path, "train", *DOOR, "model.norm=batch", "trainer.accelerator=cpu")
    assert result.returncode == 1
    assert result.stderr.strip() == (
        "error: model.norm=batch: 2 CPU processes need model.norm=layer "
        "(BatchNorm is synchronised on GPUs only)"
    )
    assert not list(tmp_path.rglob("manifest.json"))
