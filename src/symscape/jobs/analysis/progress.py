"""How an analysis shows that it goes on: a bar on a terminal, else a line a result."""

from __future__ import annotations

import logging
import time
from collections.abc import Iterator
from contextlib import contextmanager

from rich.console import Console
from rich.progress import (
    BarColumn,
    MofNCompleteColumn,
    Progress,
    TaskID,
    TextColumn,
    TimeElapsedColumn,
    TimeRemainingColumn,
)

from symscape.stopping import safe_point

log = logging.getLogger("symscape")


class Steps:
    """Counts the steps of all results to come; each count is a safe point.

    Args:
        bar: what shows them; None where there is no terminal.
        total: steps in all.
    """

    def __init__(self, bar: Progress | None, total: int) -> None:
        self.bar, self.total, self.done = bar, total, 0
        self.begin = time.perf_counter()
        self.task: TaskID | None = None if bar is None else bar.add_task("", total=total)

    def tick(self, steps: int = 1) -> None:
        """Count steps that are done."""
        safe_point()
        self.done += steps
        if self.bar is not None and self.task is not None:
            self.bar.update(self.task, advance=steps)

    def about(self, text: str) -> None:
        """Say what is at work now."""
        safe_point()
        if self.bar is not None and self.task is not None:
            self.bar.update(self.task, description=text)

    def finished(self, text: str) -> None:
        """Say what came out of a result, and how long the rest will take."""
        spent = time.perf_counter() - self.begin
        left = spent / self.done * (self.total - self.done) if self.done else 0.0
        minutes, seconds = divmod(round(left), 60)
        log.info(f"{text}  {minutes // 60}:{minutes % 60:02d}:{seconds:02d} left")


@contextmanager
def progress(console: Console, total: int) -> Iterator[Steps]:
    """Show a bar with counts and the remaining time while results are made."""
    if not console.is_terminal:
        yield Steps(None, total)
        return
    columns = (
        TextColumn("{task.description}"),
        BarColumn(bar_width=None),
        MofNCompleteColumn(),
        TimeElapsedColumn(),
        TextColumn("left"),
        TimeRemainingColumn(),
    )
    with Progress(*columns, console=console, transient=True) as bar:
        yield Steps(bar, total)
