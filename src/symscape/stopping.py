"""When a signal may take effect: at safe points alone.

Ctrl-C, SIGTERM and what batch systems send before a job's time is up ask for an orderly end. Raised
wherever they find the main thread, they may land inside compiled code, which makes another error of
them: of eight moments inside `torch.save`, six. So a signal is noted, and the work ends where it
says that it may: between batches, between products, between images, while it waits.
"""

from __future__ import annotations

import os
import signal
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from types import FrameType
from typing import TypeVar

T = TypeVar("T")
# Slurm sends SIGUSR1 or SIGUSR2, as it is told to, before a job's time is up.
SIGNALS = (signal.SIGINT, signal.SIGTERM, signal.SIGUSR1, signal.SIGUSR2)
STATUS = 130
"""The exit status of what was asked to stop: that of a shell for Ctrl-C."""
IMPATIENT = 1.0
"""Seconds after a signal from which Ctrl-C ends the process at once: one stroke may send two."""
PAUSE = 0.1

Handler = Callable[[int, FrameType | None], None]


class Interrupted(BaseException):
    """The process was asked to stop. No Exception: a sweep must stop too, not go on."""


class _Noted:
    """The signal that came, and when: of this process, whose signals find its main thread."""

    name = ""
    when = 0.0
    depth = 0
    """Blocks of `stoppable` around the work."""


def safe_point() -> None:
    """End the work here if a signal has come.

    Raises:
        Interrupted: a signal has come since `stoppable` was entered. Only in the main thread.
    """
    if _Noted.name and threading.current_thread() is threading.main_thread():
        raise Interrupted(_Noted.name)


@contextmanager
def stoppable() -> Iterator[None]:
    """Note signals while the block runs; `safe_point` within it raises Interrupted.

    The outermost block ends in a KeyboardInterrupt then; within another one, Interrupted goes on to
    it. (Lightning would swallow a KeyboardInterrupt, and exit by itself.) A signal that comes after
    the last safe point is too late: the work is done. A second Ctrl-C, a second or more after the
    first signal, ends the process at once, as `kill -9` does: every file is whole nevertheless.

    In other threads than the main one nothing changes, for signals do not find them.
    """
    if threading.current_thread() is not threading.main_thread():
        yield
        return
    _Noted.depth += 1
    try:
        with handling(_note):
            yield
    except Interrupted as name:
        if _Noted.depth > 1:
            raise
        raise KeyboardInterrupt(str(name)) from None
    finally:
        _Noted.depth -= 1
        if not _Noted.depth:
            _Noted.name = ""


def _note(number: int, frame: FrameType | None) -> None:
    if not _Noted.name:
        _Noted.name, _Noted.when = signal.Signals(number).name, time.monotonic()
    elif number == signal.SIGINT and time.monotonic() - _Noted.when > IMPATIENT:
        end_at_once(number, frame)


def end_at_once(number: int, frame: FrameType | None) -> None:
    """End the process: a handler for when nothing is on disk yet, or nobody wants to wait."""
    os.write(2, b"interrupted\n")
    os._exit(STATUS)


@contextmanager
def handling(handler: Handler) -> Iterator[None]:
    """Handle SIGNALS so while the block runs, whatever handlers it sets itself."""
    if threading.current_thread() is not threading.main_thread():
        yield
        return
    before = [signal.signal(each, handler) for each in SIGNALS]
    try:
        yield
    finally:
        for each, old in zip(SIGNALS, before, strict=True):
            signal.signal(each, old)


def waited_for(work: Callable[[], T]) -> T:
    """Return what `work` returns, done in a thread: for calls that nothing can cut short.

    Raises:
        Interrupted: a signal came; the work goes on until the process ends.
    """
    results: list[T] = []
    errors: list[BaseException] = []

    def call() -> None:
        try:
            results.append(work())
        except BaseException as error:
            errors.append(error)

    thread = threading.Thread(target=call, daemon=True)
    thread.start()
    while thread.is_alive():
        thread.join(PAUSE)
        safe_point()
    if errors:
        raise errors[0]
    return results[0]
