"""What a training run shows: a bar on a terminal, else a line an epoch."""

from __future__ import annotations

import time
from collections.abc import Mapping

import lightning.pytorch as pl
from lightning.pytorch.callbacks import Callback
from rich.console import Console
from rich.progress import BarColumn, Progress, ProgressColumn, Task, TaskProgressColumn, TextColumn
from rich.text import Text

from symscape.runs.tables import Value

SECONDS_BETWEEN_UPDATES = 0.5


def epoch_line(row: Mapping[str, Value], epochs: int, remaining: float) -> str:
    """Return one epoch as a line of text; `remaining` in seconds."""
    val = row["val/accuracy"]
    shown = f"val {float(val):6.2%}  " if val != "" else ""
    return (
        f"epoch {row['epoch']}/{epochs}  loss {float(row['train/loss']):.4f}  "
        f"train {float(row['train/accuracy']):6.2%}  {shown}"
        f"{float(row['images_per_second']):,.0f} images/s  {clock(remaining)} left"
    )


def clock(seconds: float) -> str:
    """Return a duration as h:mm:ss."""
    minutes, rest = divmod(round(seconds), 60)
    return f"{minutes // 60}:{minutes % 60:02d}:{rest:02d}"


class RemainingColumn(ProgressColumn):
    """The time left, from the mean speed since the start: it covers validation too."""

    def render(self, task: Task) -> Text:
        """Return the column's text."""
        return Text(f"{clock(task.fields['remaining'])} left", style="cyan")


class ProgressBar(Callback):
    """One bar over all steps, with throughput, loss and validation accuracy.

    Args:
        console: where to draw; without a terminal nothing is drawn.
        batch_size: images a step.
        label: the run's name.
    """

    def __init__(self, console: Console, batch_size: int, label: str) -> None:
        self.console, self.batch_size, self.label = console, batch_size, label
        self.bar: Progress | None = None
        self.accuracy = ""

    def on_train_start(self, trainer: pl.Trainer, pl_module: pl.LightningModule) -> None:
        """Open the bar at the step where training starts."""
        self.begin = self.shown = time.perf_counter()
        self.first = self.shown_step = trainer.global_step
        if not self.console.is_terminal:
            return
        self.bar = Progress(
            TextColumn("[bold]epoch {task.fields[epoch]}"),
            BarColumn(bar_width=None),
            TaskProgressColumn(),
            TextColumn("{task.fields[rate]:,.0f} images/s  loss {task.fields[loss]:.4f}"),
            TextColumn("{task.fields[accuracy]}"),
            RemainingColumn(),
            console=self.console,
            transient=True,
        )
        total = int(trainer.estimated_stepping_batches)
        self.task = self.bar.add_task(
            self.label,
            total=total,
            completed=self.first,
            epoch="",
            accuracy="",
            rate=0.0,
            loss=0.0,
            remaining=0.0,
        )
        self.bar.start()

    def remaining(self, trainer: pl.Trainer) -> float:
        """Return the seconds that the steps to come will take at the mean speed so far."""
        done = trainer.global_step - self.first
        left = int(trainer.estimated_stepping_batches) - trainer.global_step
        return (time.perf_counter() - self.begin) / done * left if done else 0.0

    def on_train_batch_end(
        self, trainer: pl.Trainer, pl_module: pl.LightningModule, outputs: object, *_: object
    ) -> None:
        """Move the bar, now and then: reading the loss makes a GPU wait."""
        now = time.perf_counter()
        if self.bar is None or now - self.shown < SECONDS_BETWEEN_UPDATES:
            return
        loss = float(outputs["loss"])  # type: ignore[index]
        rate = (trainer.global_step - self.shown_step) * self.batch_size / (now - self.shown)
        self.shown, self.shown_step = now, trainer.global_step
        self.bar.update(
            self.task,
            completed=trainer.global_step,
            epoch=f"{trainer.current_epoch + 1}/{trainer.max_epochs}",
            rate=rate,
            loss=loss,
            accuracy=self.accuracy,
            remaining=self.remaining(trainer),
        )

    def on_validation_end(self, trainer: pl.Trainer, pl_module: pl.LightningModule) -> None:
        """Do not count the validation in the next throughput."""
        self.shown, self.shown_step = time.perf_counter(), trainer.global_step

    def show_accuracy(self, row: Mapping[str, Value]) -> None:
        """Keep an epoch's validation accuracy in the bar."""
        self.accuracy = f"val {float(row['val/accuracy']):.2%}" if row["val/accuracy"] != "" else ""

    def close(self) -> None:
        """Take the bar away."""
        if self.bar is not None:
            self.bar.stop()
            self.bar = None
