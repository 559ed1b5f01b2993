"""One network on several devices: starting a process for each, and ending all of them.

The processes are plain children. This one only watches over them: it needs no torch, and outlives
whatever befalls them.
"""

from __future__ import annotations

import json
import os
import signal
import socket
import subprocess
import sys
import time
from collections.abc import Callable
from contextlib import suppress
from dataclasses import asdict, dataclass, replace
from functools import cache, partial
from pathlib import Path
from typing import TYPE_CHECKING, Any

from symscape.config.train import TrainConfig
from symscape.data.decoding.processes import cores
from symscape.errors import ConfigError, SymscapeError
from symscape.jobs.console import log, logged_to
from symscape.jobs.train.process import TIDYING, train_rank
from symscape.jobs.train.run import TrainResult, train_run
from symscape.runs.configs import config_text
from symscape.runs.identity import Identity
from symscape.runs.lock import locked
from symscape.runs.manifest import now, read_manifest, write_manifest
from symscape.stopping import STATUS, Interrupted, safe_point, waited_for
from symscape.training.ranks.place import Place, given_place

if TYPE_CHECKING:
    from symscape.training.ranks.meeting import Meeting

PAUSE = 0.05
GRACE = 10.0
"""Seconds that ranks have to notice by themselves that another one has ended."""


def train_on_ranks(config: TrainConfig, identity: Identity) -> TrainResult:
    """Train a run on several devices.

    Under torchrun or srun this process is one of the ranks; otherwise it starts all of them.

    Raises:
        SymscapeError: what a user can mend, or which rank ended and how.
    """
    place = given_place(config.trainer)
    config = replace(config, trainer=replace(config.trainer, devices=_devices(config, place)))
    if config.trainer.ranks == 1:
        return train_run(config, identity)
    if place is not None:
        return train_rank(config, _meeting(place))
    return _launch(config, identity.folder)


@cache
def _meeting(place: Place) -> Meeting:
    """Processes that torchrun started meet once, and may train many runs."""
    from symscape.training.ranks.meeting import Meeting

    return waited_for(partial(Meeting, place))


def _devices(config: TrainConfig, place: Place | None) -> int:
    if config.trainer.devices is not None:
        return config.trainer.devices
    if place is not None:
        return place.ranks // config.trainer.num_nodes
    import torch

    if config.trainer.accelerator == "cpu" or not torch.cuda.is_available():
        raise ConfigError("trainer.devices", None, "no GPU to count; say how many processes")
    return torch.cuda.device_count()


@dataclass
class Rank:
    """A child process, and where its report comes from."""

    process: subprocess.Popen[bytes]
    report: int
    killed: bool = False

    def kill(self) -> None:
        """End it at once; it is waited for."""
        if self.process.poll() is None:
            self.killed = True
            self.process.kill()
            self.process.wait()

    def read(self) -> dict[str, Any]:
        """Return what an ended process reported; nothing where it had no time to."""
        with os.fdopen(self.report) as file, suppress(ValueError):
            return dict(json.load(file))
        return {}


def _launch(config: TrainConfig, folder: Path) -> TrainResult:
    ranks: list[Rank] = []
    try:
        _start(config, ranks)
        _wait(ranks)
    except Interrupted:
        _stop(ranks[:1])
        raise
    finally:
        for rank in ranks:
            rank.kill()
    reports = [rank.read() for rank in ranks]
    if ranks[0].process.returncode == 0:
        return TrainResult(folder, reports[0]["figures"], reports[0]["trained"])
    if ranks[0].process.returncode == STATUS:
        raise Interrupted("the first rank was stopped")
    raise _failure(ranks, reports, folder)


def _start(config: TrainConfig, ranks: list[Rank]) -> None:
    """Start all ranks; they meet at a socket that is bound here, so nobody else can take it."""
    count = config.trainer.ranks
    given = os.environ.get("OMP_NUM_THREADS", "").partition(",")[0]
    threads = int(given) if given.isdigit() else cores()
    environment = {
        **os.environ,
        "PYTHONPATH": os.pathsep.join(path for path in sys.path if path),
        "OMP_NUM_THREADS": str(max(1, threads // count)),
        # DDP warns of what `ddp_strategy` asks for, once a rank, where Python cannot filter it.
        "TORCH_CPP_LOG_LEVEL": os.environ.get("TORCH_CPP_LOG_LEVEL", "ERROR"),
    }
    with socket.create_server(("127.0.0.1", 0)) as listener:
        port = listener.getsockname()[1]
        for number in range(count):
            handle = listener.fileno() if number == 0 else None
            place = Place(number, number, count, port, handle)
            ranks.append(_start_one(config, place, environment))


def _start_one(config: TrainConfig, place: Place, environment: dict[str, str]) -> Rank:
    ours, theirs = os.pipe()
    handles = [theirs] if place.listener is None else [theirs, place.listener]
    process = subprocess.Popen(
        [sys.executable, "-m", "symscape.jobs.train.process"],
        stdin=subprocess.PIPE,
        stdout=None if place.rank == 0 else subprocess.DEVNULL,
        env=environment,
        pass_fds=handles,
        # A group of its own: Ctrl-C at a terminal reaches this process, which passes it on.
        process_group=0,
    )
    os.close(theirs)
    order = {"config": config_text(config), "place": asdict(place), "report": theirs}
    assert process.stdin is not None
    with suppress(BrokenPipeError):
        process.stdin.write(json.dumps(order).encode() + b"\n")
        process.stdin.flush()
    return Rank(process, ours)


def _ended(ranks: list[Rank]) -> bool:
    return all(rank.process.poll() is not None for rank in ranks)


def _within(seconds: float, condition: Callable[[], bool]) -> bool:
    """Wait for a condition; return whether it came in time."""
    end = time.monotonic() + seconds
    while not condition():
        if time.monotonic() > end:
            return False
        time.sleep(PAUSE)
    return True


def _wait(ranks: list[Rank]) -> None:
    """Return when the first rank has ended, or another one has failed and all had time to see."""
    first, others = ranks[0], ranks[1:]
    while not _ended([first]) and not any(rank.process.poll() for rank in others):
        safe_point()
        time.sleep(PAUSE)
    _within(GRACE, lambda: _ended(ranks))


def _stop(ranks: list[Rank]) -> None:
    """Ask for an orderly end, and wait for it."""
    for rank in ranks:
        rank.process.terminate()
    _within(TIDYING, lambda: _ended(ranks))


def _failure(ranks: list[Rank], reports: list[dict[str, Any]], folder: Path) -> SymscapeError:
    """Return the error that made the others fail, and put it on record where no rank could."""
    first = reports[0]
    if "error" in first and "lost" not in first:
        where = f"; the traceback is in {folder / 'train.log'}" if "traceback" in first else ""
        return SymscapeError(f"{first['error']}{where}")
    causes = [
        (report.get("lost", False), _cause(number, len(ranks), rank, report))
        for number, (rank, report) in enumerate(zip(ranks, reports, strict=True))
        if not rank.killed or report
    ]
    message = min(causes, key=lambda cause: cause[0])[1]
    _record(folder, message, "".join(report.get("traceback", "") for report in reports))
    return SymscapeError(message)


def _cause(number: int, count: int, rank: Rank, report: dict[str, Any]) -> str:
    if "error" in report:
        return f"rank {number} of {count}: {report['error']}"
    status = rank.process.returncode
    how = f"was killed by {signal.Signals(-status).name}" if status < 0 else f"ended with {status}"
    return f"rank {number} of {count} {how}"


def _record(folder: Path, message: str, traceback: str) -> None:
    """Do what the first rank does for errors of its own, where it had begun."""
    if not (folder / "manifest.json").exists():
        return
    with locked(folder), logged_to(folder / "train.log"):
        manifest = read_manifest(folder)
        if manifest is None or manifest.status == "completed":
            return
        log.error(f"failed: {message}", extra={"file_only": True})
        if traceback:
            log.error(traceback, extra={"file_only": True})
        manifest.status, manifest.message, manifest.finished = "failed", message, now()
        write_manifest(folder, manifest)
