"""The processes (ranks) that train one network together: how they meet and talk.

They meet at a store that the first one serves. It takes all decisions and tells the others through
the store: plain JSON, which can be waited for without a limit. Only gradients and sums of metrics
go through torch.distributed.
"""

from __future__ import annotations

import json
import os
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from datetime import timedelta
from typing import Any

import torch
from torch import Tensor, distributed
from torch.distributed import PrefixStore, Store, TCPStore  # type: ignore[attr-defined]
from torch.distributed.rendezvous import rendezvous

from symscape.errors import SymscapeError
from symscape.training.ranks.place import Place

# Decoding a data set, or the final figures, may take the first rank hours.
PATIENCE = timedelta(days=7)
MEETING = timedelta(minutes=30)
GOODBYE = timedelta(seconds=30)


class LostRanksError(SymscapeError):
    """Another rank ended before its time; what ended that one is the true error."""


class Meeting:
    """A process among its fellows.

    Args:
        place: which one it is.

    Raises:
        LostRanksError: some did not come.
    """

    def __init__(self, place: Place) -> None:
        self.place = place
        self.runs = 0
        """Runs begun: a sweep under torchrun trains several with the same processes."""
        with lost_ranks():
            self.store = _common_store(place)

    def begin_run(self) -> None:
        """Begin another run, with messages of its own."""
        self.runs += 1

    def tell(self, what: str, message: dict[str, Any]) -> None:
        """Leave a message of the first rank for all others."""
        with lost_ranks():
            self.store.set(f"{self.runs}/{what}", json.dumps(message))

    def hear(self, what: str) -> dict[str, Any]:
        """Wait for a message of the first rank.

        Raises:
            LostRanksError: it has ended.
        """
        key = f"{self.runs}/{what}"
        with lost_ranks():
            self.store.wait([key], PATIENCE)
            message: dict[str, Any] = json.loads(self.store.get(key))
        return message

    def leave_run(self) -> None:
        """End a run: the first rank serves the store until all others have heard everything."""
        with suppress(RuntimeError):  # Who is gone already needs no store.
            if self.place.rank:
                self.store.set(f"{self.runs}/left/{self.place.rank}", "")
            else:
                others = range(1, self.place.ranks)
                self.store.wait([f"{self.runs}/left/{rank}" for rank in others], GOODBYE)

    @contextmanager
    def connected(self, accelerator: str) -> Iterator[None]:
        """Compute together: by NCCL on GPUs, gloo on CPUs.

        Raises:
            LostRanksError: another rank ended.
            SymscapeError: an earlier run of this process broke off in the middle.
        """
        if distributed.is_initialized():
            raise SymscapeError("the processes lost each other in an earlier run: launch them anew")
        if accelerator == "gpu":
            torch.cuda.set_device(self.place.local_rank)
        with lost_ranks():
            distributed.init_process_group(
                "nccl" if accelerator == "gpu" else "gloo",
                store=PrefixStore(f"{self.runs}/group", self.store),
                rank=self.place.rank,
                world_size=self.place.ranks,
                timeout=MEETING,
            )
            yield
            # Not after an error: it would wait for what the others no longer do.
            distributed.destroy_process_group()


def _common_store(place: Place) -> Store:
    if place.port is not None:
        return TCPStore(
            "127.0.0.1",
            place.port,
            place.ranks,
            is_master=place.rank == 0,
            timeout=MEETING,
            master_listen_fd=place.listener,
        )
    if "MASTER_ADDR" not in os.environ:
        from lightning.fabric.plugins.environments.slurm import SLURMEnvironment

        slurm = SLURMEnvironment(auto_requeue=False)
        os.environ["MASTER_ADDR"], port = slurm.main_address, slurm.main_port
        os.environ["MASTER_PORT"] = str(port)
    found = next(rendezvous("env://", place.rank, place.ranks, timeout=MEETING))
    store: Store = found[0]
    return store


@contextmanager
def lost_ranks() -> Iterator[None]:
    """Turn the many ways in which a lost connection shows into one error."""
    try:
        yield
    except RuntimeError as error:
        if not isinstance(error, distributed.DistError) and "gloo" not in str(error):
            raise
        raise LostRanksError(f"lost the other ranks ({str(error).splitlines()[0]})") from error


def mean_over_ranks(value: Tensor) -> Tensor:
    """Return the mean of a tensor over all ranks, on all of them; itself where there is one."""
    if not distributed.is_initialized():
        return value
    total = value.clone()
    distributed.all_reduce(total)
    return total / distributed.get_world_size()
