"""What the benchmarks measure with."""

from __future__ import annotations

import time
from collections.abc import Callable
from pathlib import Path

import torch


def seconds(call: Callable[[], object]) -> float:
    """Return the wall time of a call, the device included."""
    begin = time.perf_counter()
    call()
    if torch.cuda.is_available():
        torch.cuda.synchronize()
    return time.perf_counter() - begin


def resident(which: str) -> float:
    """Return a process's memory in MiB: now (VmRSS) or at its peak (VmHWM), as Linux tells."""
    status = Path("/proc/self/status").read_text(encoding="ascii")
    (line,) = (line for line in status.splitlines() if line.startswith(which))
    return int(line.split()[1]) / 2**10
