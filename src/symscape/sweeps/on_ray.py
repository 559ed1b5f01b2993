"""Jobs on Ray: one machine, or a cluster that was started before."""

from __future__ import annotations

import math
import os
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from symscape.errors import ConfigError, SymscapeError, check_number
from symscape.stopping import safe_point, stoppable
from symscape.sweeps.engine import Outcomes
from symscape.sweeps.job import Job, Outcome, perform

# Results are a few numbers; Ray would set a third of the memory aside for them.
OBJECT_STORE = 100 * 2**20
BETWEEN_LOOKS = 1.0
"""Seconds between two looks for a signal."""
PATIENCE = 60.0
"""Seconds for jobs to end in order when the sweep is stopped."""
SHORT_PATIENCE = 10.0
"""Seconds for processes to end that have nothing to do any more."""


@dataclass(frozen=True)
class Share:
    """What each job gets of the machines."""

    gpus: float
    cpus: float

    @property
    def threads(self) -> int:
        """Threads to compute with."""
        return max(1, int(self.cpus))


def share_of(
    nodes: Sequence[Mapping[str, float]], jobs: int, jobs_per_gpu: float, cpus_per_job: float | None
) -> Share:
    """Return each job's share of GPUs and cores, the same for all.

    Where there are GPUs, the cores of a machine are divided among the jobs that its GPUs take;
    where there are none, all cores are divided among the jobs, each of which has one at least.

    Args:
        nodes: number of `CPU` and `GPU` of every machine.
        jobs: jobs of the sweep.
        jobs_per_gpu: jobs that share a GPU; 0.5 gives each job two.
        cpus_per_job: cores for each job; None divides them.
    """
    with_gpu = [node for node in nodes if node.get("GPU", 0) > 0]
    if with_gpu:
        divided = min(node["CPU"] / (node["GPU"] * jobs_per_gpu) for node in with_gpu)
        gpus = 1 / jobs_per_gpu
    else:
        cores = sum(node.get("CPU", 0) for node in nodes)
        divided = min(max(1.0, cores / jobs), max(node.get("CPU", 0) for node in nodes))
        gpus = 0.0
    # Fewer cores than jobs: a fraction, which lets the GPUs be filled nevertheless.
    cpus = divided if divided < 1 else float(math.floor(divided))
    return Share(gpus, float(cpus_per_job or cpus))


@dataclass(kw_only=True)
class Ray:
    """One GPU a job, or a fraction; without GPUs a share of the cores."""

    address: str = "local"
    """local: Ray is started on this machine; auto or host:port: a cluster that sees the same
    files."""
    jobs_per_gpu: float = 1.0
    """Jobs that share a GPU; 0.5 gives each job two."""
    cpus_per_job: float | None = None
    """Cores, and threads, of each job; None divides what there is."""
    retries: int = 1
    """How often a job is started again, and resumes, whose process died."""
    num_gpus: int | None = None
    """Of this machine; None asks the hardware."""
    num_cpus: int | None = None

    def __post_init__(self) -> None:
        shared = self.jobs_per_gpu
        if shared <= 0 or (shared < 1 and (1 / shared) % 1):
            raise ConfigError("jobs_per_gpu", shared, "allowed are numbers >= 1, or 0.5, 0.25")
        if self.cpus_per_job is not None:
            check_number("cpus_per_job", self.cpus_per_job, above=0)
        check_number("hydra.launcher.retries", self.retries, at_least=0)

    def run(self, jobs: Sequence[Job], of: int) -> Outcomes:
        """Yield each job with its outcome when it has ended."""
        with stoppable():  # Ray also sets a handler of its own, which is taken back here.
            ray = self._start()
        pending: dict[Any, Job] = {}
        try:
            nodes = [node["Resources"] for node in ray.nodes() if node["Alive"]]
            share = share_of(nodes, of, self.jobs_per_gpu, self.cpus_per_job)
            remote = ray.remote(
                num_gpus=share.gpus,
                num_cpus=share.cpus,
                max_retries=self.retries,
                # A process that has seen one GPU cannot be given another.
                max_calls=1 if share.gpus else 0,
            )(_work)
            for job in jobs:
                pending[remote.remote(job, Path.cwd(), share.threads)] = job
            while pending:
                safe_point()
                ended, _ = ray.wait(list(pending), timeout=BETWEEN_LOOKS)
                for reference in ended:
                    job = pending.pop(reference)
                    yield job, _outcome(reference, job)
        finally:
            _stop(list(pending))
            _shut_down()

    def _start(self) -> Any:
        os.environ.setdefault("RAY_USAGE_STATS_ENABLED", "0")
        try:
            import ray
        except ModuleNotFoundError as error:
            raise SymscapeError(
                "hydra/launcher=ray: not installed; pip install 'symscape[ray]'"
            ) from error
        options: dict[str, Any] = {"log_to_driver": False, "logging_level": "error"}
        if self.address == "local":
            options |= {"include_dashboard": False, "object_store_memory": OBJECT_STORE}
            options |= {"num_gpus": self.num_gpus, "num_cpus": self.num_cpus}
        try:
            ray.init(address=self.address, **options)
        except (
            *(ConnectionError, OSError, RuntimeError, ValueError),
            ray.exceptions.RayError,  # A cluster may want a token.
        ) as error:
            reason = str(error).strip().splitlines()[0]
            raise SymscapeError(f"address={self.address}: Ray does not start: {reason}") from error
        return ray


def _work(job: Job, folder: Path, threads: int) -> Outcome:
    """Do a job in a process of Ray's, which asks it to stop by Ctrl-C, and counts on that end."""
    import ray

    os.chdir(folder)
    gpus = ",".join(map(str, ray.get_gpu_ids()))
    with stoppable():
        return perform(job, place=f", GPU {gpus}" if gpus else "", threads=threads)


def _outcome(reference: Any, job: Job) -> Outcome:
    import ray

    try:
        outcome: Outcome = ray.get(reference)
        return outcome
    except ray.exceptions.RayError as error:
        reason = str(error).strip().splitlines()[0]
        return Outcome("failed", error=f"its process died: {type(error).__name__}: {reason}")


def _stop(references: list[Any]) -> None:
    """End jobs as Ctrl-C would: those that wait at once, those that run in order."""
    import ray

    for reference in reversed(references):  # Else each one that ends would let another begin.
        ray.cancel(reference)
    if references:
        ray.wait(references, num_returns=len(references), timeout=PATIENCE)


def _shut_down() -> None:
    """Leave Ray, and wait until all processes that it has started here are gone."""
    import psutil
    import ray

    started = psutil.Process().children(recursive=True)
    ray.shutdown()
    _, alive = psutil.wait_procs(started, timeout=SHORT_PATIENCE)
    for process in alive:
        process.kill()
    psutil.wait_procs(alive, timeout=SHORT_PATIENCE)
