"""Ctrl-C, SIGTERM and what batch systems send as an orderly end of a job."""

from __future__ import annotations

import signal
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from types import FrameType

# Slurm sends SIGUSR1 or SIGUSR2, as it is told to, before a job's time is up.
SIGNALS = (signal.SIGINT, signal.SIGTERM, signal.SIGUSR1, signal.SIGUSR2)


class Interrupted(BaseException):
    """The process was asked to stop. No Exception: a sweep must stop too, not go on."""


@contextmanager
def interruptible() -> Iterator[None]:
    """Raise Interrupted where the first of SIGNALS finds the main thread.

    Lightning would swallow a KeyboardInterrupt and exit by itself. Later signals are ignored, so
    that an impatient second Ctrl-C does not cut the tidying short.
    """
    if threading.current_thread() is not threading.main_thread():
        yield
        return

    stopped = False

    def stop(number: int, frame: FrameType | None) -> None:
        nonlocal stopped
        if stopped:
            return
        stopped = True
        raise Interrupted(signal.Signals(number).name)

    before = [signal.signal(each, stop) for each in SIGNALS]
    try:
        yield
    finally:
        for each, handler in zip(SIGNALS, before, strict=True):
            signal.signal(each, handler)


@contextmanager
def held() -> Iterator[None]:
    """Let a signal take effect when the block ends: compiled code may break if it is cut off."""
    came: list[int] = []

    def keep(number: int, frame: FrameType | None) -> None:
        came.append(number)

    before = [signal.signal(each, keep) for each in SIGNALS]
    try:
        yield
    finally:
        for each, handler in zip(SIGNALS, before, strict=True):
            signal.signal(each, handler)
        if came:
            signal.raise_signal(came[0])
