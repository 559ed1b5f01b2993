"""What clusters do to a sweep: a machine of theirs dies, a job's time is up."""

import os
import secrets
import signal
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path

import pytest

from tests.smoke.door import environment
from tests.sweeps.slurm_cluster import cluster, free_ports, missing
from tests.sweeps.sweeping import (
    LONG,
    MARK,
    final_hashes,
    finish,
    logs,
    process_of,
    processes_of,
    rows,
    runs,
    start,
    wait_for,
)

pytestmark = [pytest.mark.slow, pytest.mark.long, pytest.mark.timeout(900)]


def join(node: Path, token: dict[str, str], *words: str) -> None:
    """Start a node of Ray, whose processes carry its name; it stays."""
    ray = str(Path(sys.executable).with_name("ray"))
    alone = ("--num-cpus=1", "--num-gpus=0", "--object-store-memory=100000000")
    subprocess.run(
        [ray, "start", "--disable-usage-stats", "--node-ip-address=127.0.0.1", *alone, *words],
        env=environment(**{MARK: str(node)}, **token, RAY_worker_niceness="0"),
        check=True,
        capture_output=True,
        timeout=120,
    )


def kill(node: Path) -> None:
    """Kill all processes of a node, those also that its processes start meanwhile."""
    while found := processes_of(node):
        for process in found:
            with suppress(ProcessLookupError):
                os.kill(process, signal.SIGKILL)
        time.sleep(0.05)


@contextmanager
def two_nodes(folder: Path) -> Iterator[tuple[dict[str, str], list[Path]]]:
    """Start a cluster of Ray whose two machines are this one.

    Gives what must stand in the environment of those who use it, and the machines' names.
    """
    token = {"RAY_AUTH_MODE": "token", "RAY_AUTH_TOKEN": secrets.token_hex(32)}
    address = f"127.0.0.1:{free_ports(1)[0]}"
    nodes = [folder / "head", folder / "second"]
    try:
        port = f"--port={address.partition(':')[2]}"
        join(nodes[0], token, "--head", port, "--include-dashboard=false")
        join(nodes[1], token, f"--address={address}")
        yield {"RAY_ADDRESS": address, **token}, nodes
    finally:
        for node in nodes:
            kill(node)


def test_a_node_of_a_ray_cluster_dies_and_its_job_resumes_on_the_other(tmp_path):
    words = (*LONG, "trainer.max_epochs=8", "data.augment=true", "seed=0,1")
    status, _, err = finish(start(tmp_path / "a", *words))
    assert status == 0, err
    folder = tmp_path / "b"
    with two_nodes(tmp_path) as (variables, (head, second)):
        sweep = start(
            folder, *words, "hydra/launcher=ray", "address=auto", "cpus_per_job=1",
            **variables,
        )  # fmt: skip
        wait_for(lambda: sweep.poll() is not None or all(rows(folder, n) > 2 for n in (0, 1)), 480)
        assert sweep.poll() is None, finish(sweep)
        (lost,) = (log for log in logs(folder) if process_of(log) in processes_of(second))
        assert sum(process_of(log) in processes_of(head) for log in logs(folder)) == 1
        kill(second)
        status, out, err = finish(sweep)
        assert status == 0, err
        assert "done    2" in out and "failed    0" in out and "elsewhere" not in out
        (resumed,) = (log for log in logs(folder) if "resuming in" in log)
        assert resumed.startswith(lost.partition("\n")[0])
    assert sorted(len(run.manifest.started) for run in runs(folder)) == [1, 2]
    assert final_hashes(folder) == final_hashes(tmp_path / "a")
    assert not processes_of(folder)


def ask(slurm: dict[str, str], *command: str) -> str:
    asked = subprocess.run(command, env={**os.environ, **slurm}, capture_output=True, text=True)
    return asked.stdout


def told_to_stop(process: int) -> bool:
    """Whether SIGUSR2 waits for a process that is halted, or the process is gone."""
    try:
        text = Path(f"/proc/{process}/status").read_text()
    except OSError:
        return True
    waiting = next(line for line in text.splitlines() if line.startswith("ShdPnd"))
    return bool(int(waiting.split()[1], 16) >> (signal.SIGUSR2 - 1) & 1)


def test_a_job_longer_than_the_time_limit_of_slurm_takes_several_turns(tmp_path):
    """Slurm itself says when, half a minute early. Halting the job makes it long enough."""
    if reason := missing():
        pytest.skip(reason)
    words = (*LONG, "trainer.max_epochs=8", "seed=0")
    status, _, err = finish(start(tmp_path / "a", *words))
    assert status == 0, err
    folder = tmp_path / "b"
    limit = ("hydra.launcher.timeout_min=2", "hydra.launcher.signal_delay_s=20")
    with cluster(tmp_path / "slurm") as slurm:
        sweep = start(folder, *words, "hydra/launcher=slurm", *limit, **slurm)
        # A slow machine may be told before it has come so far: Slurm is early by up to a minute.
        wait_for(lambda: rows(folder, 0) > 1 or "SIGUSR2: stopped" in "".join(logs(folder)))
        job = process_of(logs(folder)[0])
        with suppress(ProcessLookupError):
            os.kill(job, signal.SIGSTOP)
            wait_for(lambda: told_to_stop(job))
            assert rows(folder, 0) < 8
            os.kill(job, signal.SIGCONT)
        # Slurm leaves a job that was requeued alone for two minutes; for some seconds it must.
        while sweep.poll() is None:
            time.sleep(8)
            pending = ask(slurm, "squeue", "--noheader", "--array", "--states=PD", "--format=%i")
            for identity in pending.split():
                ask(slurm, "scontrol", "update", f"JobId={identity}", "StartTime=now")
        status, out, err = finish(sweep)
        assert status == 0, err
    (log,) = logs(folder)
    assert "done    1" in out and "SIGUSR2: stopped" in log and "resuming in" in log
    (run,) = runs(folder)
    assert len(run.manifest.started) > 1
    assert final_hashes(folder) == final_hashes(tmp_path / "a")
