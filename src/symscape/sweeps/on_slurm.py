"""Jobs on Slurm, submitted as an array by submitit.

Slurm asks a job to stop with a signal: some time before its limit, or when another job needs the
machine. The job then ends in order, puts itself back into the queue, and resumes from its last
checkpoint when its turn comes.
"""

from __future__ import annotations

import json
import os
import subprocess
import sys
import time
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass, field
from functools import partial
from pathlib import Path
from typing import Any, NoReturn

from symscape.errors import SymscapeError
from symscape.runs.files import write_text
from symscape.stopping import safe_point, stoppable, waited_for
from symscape.sweeps.engine import Outcomes
from symscape.sweeps.job import Job, Outcome, perform

BETWEEN_LOOKS = 1.0
BETWEEN_QUESTIONS = 5.0
"""Seconds between two looks for results, and between two questions to Slurm, which serves many."""
PATIENCE = 60.0
"""Seconds for jobs to end in order when the sweep is stopped."""
SILENCE = 60.0
"""Seconds for which a job that was stopped asks on while Slurm does not answer: half of what
`signal_delay_s` is by default, after which it is killed."""
ENDED = {
    *("BOOT_FAIL", "CANCELLED", "COMPLETED", "DEADLINE", "FAILED", "NODE_FAIL"),
    *("OUT_OF_MEMORY", "REVOKED", "TIMEOUT", "GONE"),
}


@dataclass(kw_only=True)
class Slurm:
    """One job of Slurm for each job of the sweep.

    Slurm knows the names of its own options; what stands in none of these fields goes into
    `options`, by the name that sbatch has for it.
    """

    partition: str | None = None
    account: str | None = None
    timeout_min: int = 60
    """Limit of a job: one that needs longer goes on after it, in the next turn."""
    cpus_per_job: int = 1
    gpus_per_job: int | None = None
    mem_gb: float | None = None
    at_once: int = 256
    """Jobs that may run at the same time."""
    signal_delay_s: int = 120
    """Seconds before the limit at which a job stops and queues again."""
    requeues: int = 100
    """How often a job may do so."""
    setup: list[str] | None = None
    """Shell commands before each job."""
    options: dict[str, Any] = field(default_factory=dict)

    def run(self, jobs: Sequence[Job], of: int) -> Outcomes:
        """Yield each job with its outcome when it has ended."""
        pending = self._submit(jobs)
        asked = time.monotonic()
        try:
            while pending:
                safe_point()
                states: Mapping[str, str] = {}
                if time.monotonic() - asked > BETWEEN_QUESTIONS:
                    # Of another thread: Slurm takes minutes to say that it does not answer.
                    states = waited_for(partial(states_of, dict(pending)))
                    asked = time.monotonic()
                for identity, job in list(pending.items()):
                    state = states.get(identity, "")
                    if outcome := read_outcome(job) or _lost(state):
                        del pending[identity]
                        yield job, outcome
                time.sleep(BETWEEN_LOOKS)
        finally:
            _cancel(pending)

    def _submit(self, jobs: Sequence[Job]) -> dict[str, Job]:
        try:
            import submitit
        except ModuleNotFoundError as error:
            raise SymscapeError(
                "hydra/launcher=slurm: not installed; pip install 'symscape[slurm]'"
            ) from error
        wanted = {
            "name": "symscape",
            "timeout_min": self.timeout_min,
            "cpus_per_task": self.cpus_per_job,
            "gpus_per_node": self.gpus_per_job,
            "mem_gb": self.mem_gb,
            "slurm_partition": self.partition,
            "slurm_account": self.account,
            "slurm_array_parallelism": self.at_once,
            "slurm_signal_delay_s": self.signal_delay_s,
            "slurm_setup": self.setup,
            "slurm_additional_parameters": {"requeue": True, **self.options},
        }
        try:
            executor = submitit.AutoExecutor(jobs[0].log.parent / "slurm", cluster="slurm")
            executor.update_parameters(**{k: v for k, v in wanted.items() if v is not None})
            fixed = (Path.cwd(), self.cpus_per_job, self.requeues)
            columns = zip(*((job, *fixed) for job in jobs), strict=True)
            submitted = executor.map_array(_work, *columns)
        except (RuntimeError, submitit.core.utils.FailedJobError) as error:
            reason = str(error).strip().splitlines()[-1]
            raise SymscapeError(f"hydra/launcher=slurm: {reason}") from error
        return {each.job_id: job for each, job in zip(submitted, jobs, strict=True)}


def _work(job: Job, folder: Path, threads: int, requeues: int) -> None:
    """Do a job in a process of Slurm's, and write down what became of it."""
    os.chdir(folder)
    identity = _own_identity()
    try:
        with stoppable():  # Submitit's own handlers are back after it.
            outcome = perform(job, place=f", Slurm's job {identity}", threads=threads)
    except KeyboardInterrupt:
        end = time.monotonic() + SILENCE
        # Running still: nobody has cancelled it.
        shown = _scontrol("--oneliner", "show", "job", identity, until=end)
        if shown.returncode == 0 and "JobState=RUNNING" not in shown.stdout:
            _leave()
        turns = int(os.environ.get("SLURM_RESTART_COUNT", "0")) + 1
        if turns <= requeues:
            queued = _scontrol("requeue", identity, until=end)
            if queued.returncode:
                print(f"not queued again: {queued.stderr.strip()}", file=sys.stderr)
            _leave()
        outcome = Outcome("failed", error=f"not finished after {turns} turns; requeues={requeues}")
    write_text(_outcome_path(job), json.dumps(asdict(outcome)))


def _leave() -> NoReturn:
    """End this process without taking the interpreter down, where cut-off work may hang or crash.

    Slurm would kill it after half a minute, for which the sweep would wait.
    """
    sys.stdout.flush()
    sys.stderr.flush()
    os._exit(1)


def _own_identity() -> str:
    """Return the name of this job; the number of an array's last job names the whole array too."""
    if "SLURM_ARRAY_JOB_ID" in os.environ:
        return f"{os.environ['SLURM_ARRAY_JOB_ID']}_{os.environ['SLURM_ARRAY_TASK_ID']}"
    return os.environ["SLURM_JOB_ID"]


def _scontrol(*words: str, until: float) -> subprocess.CompletedProcess[str]:
    """Ask Slurm, and again while it does not answer: its controller may be starting anew."""
    while True:
        answer = subprocess.run(["scontrol", *words], capture_output=True, text=True, check=False)
        if not answer.returncode or time.monotonic() > until:
            return answer
        time.sleep(BETWEEN_LOOKS)


def _outcome_path(job: Job) -> Path:
    return job.log.with_suffix(".json")


def read_outcome(job: Job) -> Outcome | None:
    """Return the outcome that a job has written down, if it has."""
    try:
        return Outcome(**json.loads(_outcome_path(job).read_text(encoding="utf-8")))
    except FileNotFoundError:
        return None


def states_of(identities: Mapping[str, Job]) -> dict[str, str]:
    """Return what Slurm says of jobs; nothing while it does not answer."""
    command = ["squeue", "--me", "--noheader", "--array", "--states=all", "--format=%i %T"]
    answer = subprocess.run(command, capture_output=True, text=True, check=False)
    if answer.returncode:
        return {}
    said = dict(line.split(maxsplit=1) for line in answer.stdout.splitlines())
    return {identity: said.get(identity, "GONE") for identity in identities}


def _lost(state: str) -> Outcome | None:
    if state not in ENDED:
        return None
    return Outcome("failed", error=f"it ended without a result; Slurm says {state}")


def _cancel(pending: Mapping[str, Job]) -> None:
    """End jobs as Ctrl-C would, and wait until they have."""
    if not pending:
        return
    subprocess.run(["scancel", *pending], check=False, capture_output=True)
    end = time.monotonic() + PATIENCE
    while time.monotonic() < end:
        states = states_of(pending)
        if states and all(state in ENDED for state in states.values()):
            return
        time.sleep(BETWEEN_LOOKS)
