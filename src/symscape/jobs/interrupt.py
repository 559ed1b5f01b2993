"""Ctrl-C, SIGTERM and what batch systems send as an orderly end of a job."""

from __future__ import annotations

import signal
import threading
from collections.abc import Callable, Iterator
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

    with _handling(stop):
        yield


@contextmanager
def held() -> Iterator[None]:
    """Let a signal take effect when the block ends: compiled code may break if it is cut off."""
    if threading.current_thread() is not threading.main_thread():
        yield  # Signals find the main thread only.
        return

    came: list[int] = []

    def keep(number: int, frame: FrameType | None) -> None:
        came.append(number)

    try:
        with _handling(keep):
            yield
    finally:
        if came:
            signal.raise_signal(came[0])


@contextmanager
def _handling(handler: Callable[[int, FrameType | None], None]) -> Iterator[None]:
    before = [signal.signal(each, handler) for each in SIGNALS]
    try:
        yield
    finally:
        for each, old in zip(SIGNALS, before, strict=True):
            signal.signal(each, old)
