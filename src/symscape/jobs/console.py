"""What a job says: on the console, and in the log of a run."""

from __future__ import annotations

import logging
import math
import shutil
import sys
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from dataclasses import fields, is_dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

from rich.console import Console
from rich.text import Text
from rich.tree import Tree

from symscape.runs.files import cannot_write

if TYPE_CHECKING:
    from symscape.landscape.intervals import Interval

OFF_TERMINAL = 120
"""Columns of tables in a file or a pipe, where $COLUMNS does not say."""


def _width() -> int | None:
    """Return the columns of a file or a pipe; of a terminal, which may change, rich knows them."""
    return None if sys.stdout.isatty() else shutil.get_terminal_size((OFF_TERMINAL, 25)).columns


console = Console(highlight=False, soft_wrap=True, width=_width())
log = logging.getLogger("symscape")


class _ConsoleHandler(logging.Handler):
    """Prints through rich, so that lines and a progress bar do not tear each other."""

    def emit(self, record: logging.LogRecord) -> None:
        if not getattr(record, "file_only", False):
            console.print(self.format(record), markup=False)


def percent(share: float) -> str:
    """Return a share with a decimal; a small one to its first digit, so that it is no zero."""
    if not 0 < share < 0.0005:
        return f"{share:.1%}"
    return f"{share:.{-math.floor(math.log10(100 * share))}%}" if share >= 1e-5 else "<0.001%"


def start_logging() -> None:
    """Send the project's log lines to the console, once a process."""
    if not any(isinstance(handler, _ConsoleHandler) for handler in log.handlers):
        log.addHandler(_ConsoleHandler())
    log.setLevel(logging.INFO)
    log.propagate = False


class _LogFile(logging.FileHandler):
    """A log that a full disk cuts short: what matters then reports the disk by itself."""

    def handleError(self, record: logging.LogRecord) -> None:  # noqa: N802
        pass


@contextmanager
def logged_to(path: Path) -> Iterator[None]:
    """Write the log lines to a file too, after what earlier attempts left there."""
    try:
        handler = _LogFile(path, encoding="utf-8")
    except OSError as error:
        raise cannot_write(path, error) from error
    handler.setFormatter(logging.Formatter("%(asctime)s %(message)s", "%Y-%m-%d %H:%M:%S"))
    log.addHandler(handler)
    try:
        yield
    finally:
        log.removeHandler(handler)
        with suppress(OSError):  # Closing flushes once more what the disk had no room for.
            handler.close()


def show_config(config: Any, title: str) -> None:
    """Print a config as a tree, and put it into the log."""
    tree = Tree(Text(title))
    _branch(tree, config)
    with console.capture() as capture:
        console.print(tree)
    log.info(capture.get().rstrip())


def _branch(tree: Tree, group: Any) -> None:
    for name in (f.name for f in fields(group)):
        value = getattr(group, name)
        if is_dataclass(value):
            _branch(tree.add(name), value)
        else:
            tree.add(Text(f"{name}: {value}"))


def shown(interval: Interval) -> str:
    """Return a mean with its interval, where there is one."""
    if interval.low is None or interval.high is None:
        return _number(interval.mean)
    return f"{_number(interval.mean)} [{_number(interval.low)}, {_number(interval.high)}]"


def _number(value: float) -> str:
    """Return four digits, at most three of them decimals."""
    before = len(str(int(abs(value)))) if math.isfinite(value) else 1
    return f"{value:.{min(3, max(0, 4 - before))}f}"
