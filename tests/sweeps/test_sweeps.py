"""Sweeps with the real thing: killed, stopped, launched twice, on Ray and on Slurm."""

import csv
import os
import re
import signal
import subprocess
import time
from itertools import pairwise
from pathlib import Path

import pytest

from symscape.runs.find import find_runs
from symscape.runs.lock import locked
from symscape.runs.manifest import read_manifest
from tests.sweeps.slurm_cluster import cluster, missing
from tests.sweeps.sweeping import (
    LONG,
    RAY,
    final_hashes,
    finish,
    forked,
    logs,
    process_of,
    processes_of,
    rows,
    runs,
    start,
    wait_for,
)
from tests.training.loggers.wandb_records import history, of_kind, records

# A machine that runs other tests meanwhile starts Ray slowly.
pytestmark = [pytest.mark.slow, pytest.mark.timeout(600)]

STOPPED = (*LONG, "trainer.max_epochs=16", "data.augment=true", "seed=0,1")


@pytest.fixture(scope="session")
def undisturbed(common) -> dict[str, str]:
    """What the runs of STOPPED end with; made once for all workers of pytest."""
    folder = common / "undisturbed"
    folder.mkdir(exist_ok=True)
    with locked(folder, wait=300):
        status, _, err = finish(forked(folder, *STOPPED))  # The second finds it finished.
    assert status == 0, err
    return final_hashes(folder)


def times(log: str) -> tuple[str, str]:
    """Return when a job began and ended, as its log says."""
    found = re.findall(r"^(\S+T\S+) ", log, flags=re.MULTILINE)
    return found[0], found[-1]


def test_ray_never_puts_two_jobs_on_one_gpu_and_keeps_both_busy(tmp_path):
    """And all of them reach W&B, also the one that fails, with the sweep itself."""
    words = (*RAY, "hydra.launcher.num_gpus=2", "hydra.launcher.num_cpus=2", "seed=0,1")
    dashboard = ("logger=wandb", "logger.mode=offline")
    sweep = start(tmp_path, *words, *dashboard, "optimizer.lr=0.1,1e30")
    status, out, err = finish(sweep)
    assert status == 1 and "2 of 4 jobs failed" in err and "not finite" in err
    assert len(err.strip().splitlines()) == 1
    assert "done    2" in out and "failed    2" in out
    assert not processes_of(tmp_path)

    of_gpu: dict[str, list[tuple[str, str]]] = {}
    for log in logs(tmp_path):
        (gpu,) = re.findall(r"GPU (\S+), 1 threads", log)
        assert "images on" in log
        of_gpu.setdefault(gpu, []).append(times(log))
    assert set(of_gpu) == {"0", "1"} and sum(map(len, of_gpu.values())) == 4
    for turns in of_gpu.values():
        turns.sort()
        assert all(before[1] <= after[0] for before, after in pairwise(turns)), "two at a time"
    first, second = (turns[0] for turns in of_gpu.values())
    assert first[0] < second[1] and second[0] < first[1], "both at once"

    groups = set()
    for run in runs(tmp_path):
        found = records(run.folder)
        (start_record,) = of_kind(found, "run")
        groups.add(start_record.run_group)
        assert start_record.run_group == run.manifest.name
        assert start_record.display_name == f"seed={run.manifest.seed}"
        assert start_record.project == "symscape"
        (end,) = of_kind(found, "exit")
        assert end.exit_code == (0 if run.state == "completed" else 1)
        epochs = [row["epoch"] for row in history(found) if "train/loss" in row]
        assert epochs == ([1, 2] if run.state == "completed" else [])
    assert len(groups) == 2, "one group a configuration, whatever the seed"
    found = records(tmp_path / "multirun" / ".sweep")
    (whole,) = of_kind(found, "run")
    assert (whole.job_type, whole.project) == ("sweep", "symscape")
    assert of_kind(found, "exit")[0].exit_code == 0
    summary = {i.key: i.value_json for u in of_kind(found, "summary") for i in u.update}
    assert (summary["done"], summary["failed"]) == ("2", "2")


def test_a_killed_worker_and_the_sweep_launched_again_give_the_same_bits(tmp_path, undisturbed):
    broken = start(tmp_path, *STOPPED, *RAY, "hydra.launcher.retries=0")
    wait_for(lambda: rows(tmp_path, 1) > 2)
    (victim,) = (process_of(log) for log in logs(tmp_path) if "seed=1: " in log)
    os.kill(victim, signal.SIGKILL)
    status, out, err = finish(broken)
    assert status == 1 and "its process died" in err and "done    1" in out
    states = {run.manifest.seed: run.state for run in runs(tmp_path)}
    assert states == {0: "completed", 1: "interrupted"}
    status, out, err = finish(start(tmp_path, *STOPPED, *RAY))
    assert status == 0, err
    assert "done    1" in out and "skipped    1" in out
    assert any("resuming in" in log for log in logs(tmp_path))
    assert final_hashes(tmp_path) == undisturbed
    assert not processes_of(tmp_path)


@pytest.mark.parametrize("engine", [(), RAY], ids=["basic", "ray"])
def test_ctrl_c_ends_every_job_resumably_and_leaves_no_process(tmp_path, engine):
    words = (*LONG, "trainer.max_epochs=400", "seed=0,1,2")
    sweep = start(tmp_path, *words, *engine)
    wait_for(lambda: all(rows(tmp_path, seed) > 1 for seed in ((0, 1) if engine else (0,))))
    os.killpg(sweep.pid, signal.SIGINT)
    status, out, err = finish(sweep)
    assert status == 130 and err.strip() == "interrupted"
    assert "to do    3" in out and "failed    0" in out
    assert not processes_of(tmp_path)
    assert {run.state for run in runs(tmp_path)} == {"interrupted"}
    for run in runs(tmp_path):
        assert "stopped; the same command resumes" in (run.folder / "train.log").read_text()


def test_two_sweeps_at_the_same_moment_train_each_run_once(tmp_path):
    words = ("seed=0,1,2,3",)
    both = [forked(tmp_path, *words) for _ in range(2)]
    ends = [finish(sweep) for sweep in both]
    assert [status for status, _, _ in ends] == [0, 0], ends
    assert len(final_hashes(tmp_path)) == 4
    for run in find_runs(tmp_path / "multirun", "sweep"):
        assert len(read_manifest(run.folder).started) == 1
        assert (run.folder / "train.log").read_text().count("training in") == 1
    assert sum(log.count("test accuracy") for log in logs(tmp_path)) == 4
    with (tmp_path / "multirun" / "sweep" / "summary.csv").open() as file:
        (accuracy,) = [row for row in csv.DictReader(file) if row["metric"] == "test/accuracy"]
    assert accuracy["n"] == "4" and float(accuracy["low"]) < float(accuracy["mean"])


@pytest.fixture
def slurm(tmp_path_factory):
    if reason := missing():
        pytest.skip(reason)
    with cluster(tmp_path_factory.mktemp("slurm")) as environment:
        yield environment


def queue(slurm: dict[str, str]) -> dict[str, str]:
    """Return the state of every job, by the number in its array."""
    command = ["squeue", "--noheader", "--array", "--states=all", "--format=%K %i %T"]
    shown = ask(slurm, *command)
    return {line.split()[0]: line for line in shown.splitlines()}


def ask(slurm: dict[str, str], *command: str, check: bool = True) -> str:
    environment = {**os.environ, **slurm}
    asked = subprocess.run(command, env=environment, capture_output=True, text=True, check=check)
    return asked.stdout


def test_slurm_requeues_what_it_stops_and_launching_again_finishes_the_rest(
    tmp_path, slurm, undisturbed
):
    engine = ("hydra/launcher=slurm", "hydra.launcher.timeout_min=5")
    sweep = start(tmp_path, *STOPPED, *engine, **slurm)
    wait_for(lambda: len(queue(slurm)) == 2)
    identities = [queue(slurm)[n].split()[1] for n in "01"]
    # Not both: on a busy machine one may be done before the other begins.
    wait_for(lambda: max(rows(tmp_path, seed) for seed in (0, 1)) > 1)
    ahead, other = (0, 1) if rows(tmp_path, 0) > 1 else (1, 0)
    # As its user does who has had enough of it.
    ask(slurm, "scancel", identities[other])
    # As before its time is up. It would ask for minutes: the job queues again so soon that nobody
    # acknowledges.
    ask(slurm, "timeout", "5", "scancel", "--signal=USR2", identities[ahead], check=False)
    states = {ahead: "PENDING", other: "CANCELLED"}
    wait_for(lambda: all(state in queue(slurm)[str(n)] for n, state in states.items()))
    assert 1 < rows(tmp_path, ahead) < 16
    # Slurm leaves a job that was requeued alone for two minutes. One that starts again in the
    # second in which it was stopped is refused by its node, which takes it for the killed one.
    ask(slurm, "scontrol", "update", f"JobId={identities[ahead]}", "StartTime=now+2")
    status, out, err = finish(sweep)
    assert status == 1
    assert f"seed={other}: it ended without a result; Slurm says CANCELLED" in err
    assert "done    1" in out and "failed    1" in out
    (resumed,) = (log for log in logs(tmp_path) if f" seed={ahead}: " in log)
    assert "SIGUSR2: stopped" in resumed and "resuming in" in resumed

    status, out, err = finish(start(tmp_path, *STOPPED, *engine, **slurm))
    assert status == 0, err
    assert "done    1" in out and "skipped    1" in out
    assert final_hashes(tmp_path) == undisturbed


def test_slurm_ends_its_jobs_at_ctrl_c(tmp_path: Path, slurm):
    sweep = start(
        tmp_path, *LONG, "trainer.max_epochs=400", "seed=0", "hydra/launcher=slurm", **slurm
    )
    wait_for(lambda: rows(tmp_path, 0) > 1)
    sweep.send_signal(signal.SIGINT)
    status, _, err = finish(sweep)
    assert status == 130 and err.strip() == "interrupted"
    assert all("CANCELLED" in line for line in queue(slurm).values())
    (run,) = runs(tmp_path)
    assert run.state == "interrupted" and not processes_of(tmp_path)


@pytest.mark.long
def test_slurm_queues_a_stopped_job_again_when_its_controller_is_back(tmp_path: Path, slurm):
    words = ("trainer.max_epochs=400", "seed=0", "hydra/launcher=slurm")
    sweep = start(tmp_path, *LONG, *words, **slurm)
    wait_for(lambda: rows(tmp_path, 0) > 1)
    config = Path(slurm["SLURM_CONF"])
    controller = int(config.with_name("slurmctld.pid").read_text())
    os.kill(controller, signal.SIGTERM)
    wait_for(lambda: not Path(f"/proc/{controller}/fd/0").exists())
    os.kill(process_of(logs(tmp_path)[0]), signal.SIGUSR2)
    wait_for(lambda: "SIGUSR2: stopped" in logs(tmp_path)[0])
    time.sleep(25)  # For twenty seconds scontrol asks on by itself.
    subprocess.run(["slurmctld", "-f", config], check=True)
    wait_for(lambda: "PENDING" in ask(slurm, "squeue", "--noheader", "--format=%T", check=False))
    sweep.send_signal(signal.SIGINT)
    assert finish(sweep)[0] == 130
