"""What a sweep does without an engine: planning, counting, sharing."""

import os
from pathlib import Path

import pytest

from symscape.errors import ConfigError
from symscape.runs.lock import BusyError
from symscape.sweeps.job import Job, perform
from symscape.sweeps.on_ray import Ray, Share, share_of
from symscape.sweeps.plan import labels
from tests.jobs.study import copy_of
from tests.smoke.door import TINY, call
from tests.smoke.forked import forked


def job(tmp_path: Path, number: int = 0, call=lambda: 0.5, **more) -> Job:
    return Job(number, f"seed={number}", call, tmp_path / "logs" / f"{number}.log", **more)


def test_labels_are_what_differs():
    words = [("model=a", "seed=0", "lr=1"), ("model=a", "seed=1", "lr=1")]
    assert labels(words) == ["seed=0", "seed=1"]
    assert labels(words[:1]) == ["model=a seed=0 lr=1"]
    assert labels([("a=1",), ("a=1",)]) == ["job", "job"]


def test_all_that_a_job_and_its_children_print_goes_to_its_log(tmp_path, capfd):
    def talk() -> float:
        print("from python")
        os.system("echo from a child; echo an error >&2")
        return 0.25

    outcome = perform(job(tmp_path, call=talk), place=", GPU 1", threads=2)
    assert (outcome.state, outcome.value) == ("done", 0.25)
    log = (tmp_path / "logs" / "0.log").read_text()
    for part in ("from python", "from a child", "an error", "GPU 1, 2 threads", "done"):
        assert part in log
    assert capfd.readouterr() == ("", "")


def test_what_fails_is_an_outcome_with_its_reason(tmp_path):
    def divide() -> float:
        return 1 / 0

    def busy() -> float:
        raise BusyError("another process")

    outcome = perform(job(tmp_path, call=divide))
    assert (outcome.state, outcome.error) == ("failed", "ZeroDivisionError: division by zero")
    assert "Traceback" in (tmp_path / "logs" / "0.log").read_text()
    assert perform(job(tmp_path, call=busy)).state == "elsewhere"


def test_an_interrupt_ends_the_sweep_and_not_the_job_alone(tmp_path):
    def interrupted() -> float:
        raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        perform(job(tmp_path, call=interrupted))
    assert "stopped" in (tmp_path / "logs" / "0.log").read_text()


def test_a_job_has_its_share_of_threads(tmp_path):
    """A process of its own has them all from the start; here torch is loaded already."""
    import torch

    assert perform(job(tmp_path, call=torch.get_num_threads), threads=3).value == 3


def test_shares_of_gpus_and_cores():
    eight_gpus = {"CPU": 64.0, "GPU": 8.0}
    assert share_of([eight_gpus], 100, 1, None) == Share(1, 8)
    assert share_of([eight_gpus], 100, 4, None) == Share(0.25, 2)
    assert share_of([eight_gpus], 100, 0.5, None) == Share(2, 16)
    assert share_of([eight_gpus, {"CPU": 4.0, "GPU": 1.0}], 9, 1, None) == Share(1, 4)
    few_cores = share_of([{"CPU": 2.0, "GPU": 2.0}], 8, 4, None)
    assert few_cores == Share(0.25, 0.25) and few_cores.threads == 1
    cores = {"CPU": 16.0}
    assert [share_of([cores], n, 1, None).threads for n in (1, 3, 15, 16, 99)] == [16, 5, 1, 1, 1]
    assert share_of([cores, cores], 2, 1, None).threads == 16
    assert share_of([cores], 99, 1, 4).threads == 4
    with pytest.raises(ConfigError, match="jobs_per_gpu"):
        Ray(jobs_per_gpu=0.7)


FINISHED = (
    *("data=digits", "data.batch_size=32", "data.augment=true", "model=resnet20", "model.width=4"),
    *("trainer.max_epochs=2", "trainer.limit_train_batches=20", "trainer.precision=float32"),
    *("trajectory=4", "study=tests", "symmetry=vanilla,rot90", "seed=0,1"),
)


@pytest.mark.parametrize("launcher", ["basic", "ray", "slurm"])
def test_a_finished_sweep_is_skipped_without_torch_and_without_its_engine(
    tmp_path, study, launcher
):
    """An import of torch, Ray or submitit would fail in this environment."""
    for name in ("torch", "ray", "submitit"):
        (tmp_path / f"{name}.py").write_text(f"raise RuntimeError('{name} was imported')")
    root = copy_of(study, tmp_path)
    words = ("-m", *FINISHED, f"root={root}", f"hydra/launcher={launcher}")
    path = os.pathsep.join(filter(None, (str(tmp_path), os.environ.get("PYTHONPATH"))))
    result = call(tmp_path, "train", *words, PYTHONPATH=path)
    assert result.returncode == 0, result.stderr
    assert "done    0" in result.stdout and "skipped    4" in result.stdout
    assert (root / "tests" / "summary.md").exists()


def test_a_changed_option_is_another_run_and_a_bad_one_fails_before_any_work(tmp_path):
    words = ("-m", *TINY, "symmetry=vanilla,rot90", "model.kernel_size=[3,5]", "seed=0")
    result = forked(tmp_path, "train", *words, "continue_on_failure=false")
    assert result.returncode == 1
    assert "failed    1" in result.stdout and "to do    1" in result.stdout
    assert "symmetry=rot90" in result.stderr and "square kernel" in result.stderr
    assert len(result.stderr.strip().splitlines()) == 1


BAD = {
    "jobs_per_gpu=2": ("jobs_per_gpu", "hydra/launcher"),
    "hydra/launcher=ray jobs_per_gpu=many": ("jobs_per_gpu", "many"),
    "hydra/launcher=ray jobs_per_gpu=0.7": ("jobs_per_gpu=0.7", "0.5"),
    "hydra/launcher=ray hydra.launcher.gpu=1": ("gpu", "not a key"),
    "hydra/launcher=rey": ("hydra/launcher=rey", "'ray'", "slurm"),
}


@pytest.mark.parametrize("words", BAD)
def test_a_wrong_option_of_an_engine_is_one_line(tmp_path, words):
    result = forked(tmp_path, "train", "-m", *TINY, *words.split())
    assert result.returncode == 1 and len(result.stderr.strip().splitlines()) == 1, result.stderr
    assert all(part in result.stderr for part in BAD[words])


@pytest.mark.parametrize(
    ("words", "said"),
    [
        (("jobs_per_gpu=2",), "jobs_per_gpu=2: a setting of sweeps, needs -m"),
        (("hydra/launcher=ray",), "hydra/launcher=ray: a setting of sweeps, needs -m"),
        (("-m", "seed=0,1", "--cfg", "job"), "--cfg: shows one run, not a sweep; leave -m out"),
    ],
)
def test_one_run_is_no_sweep(tmp_path, words, said):
    result = forked(tmp_path, "train", *words)
    assert (result.returncode, result.stderr.strip()) == (1, f"error: {said}")
