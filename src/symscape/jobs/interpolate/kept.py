"""Which weights of a training a line ends at: the last, or the first that fit well enough."""

from __future__ import annotations

from dataclasses import asdict, dataclass
from typing import Any

from symscape.errors import ConfigError, SymscapeError
from symscape.jobs.analysis.images import on_device
from symscape.jobs.analysis.subjects import Subject
from symscape.landscape.evaluation import State
from symscape.landscape.interpolation import Line
from symscape.runs.find import kept_weights
from symscape.training.hardware import Hardware


@dataclass(frozen=True)
class Kept:
    """Weights that a training kept."""

    name: str
    """init, final, or the number of the step."""
    step: int
    loss: float
    """On the clean training images, with the statistics that lines have."""


class KeptAtLoss:
    """Finds, of each training, the first kept weights at or below a train loss.

    Kept weights are few: the loss found is the level's or less, and comes with the result.

    Args:
        line: evaluates them, as it does the ends of lines.
        hardware: where.
        level: the loss, in nats.
    """

    def __init__(self, line: Line, hardware: Hardware, level: float) -> None:
        self.line, self.hardware, self.level = line, hardware, level
        self.found: dict[Subject, Kept] = {}

    def of(self, subject: Subject) -> Kept:
        """Return the weights, looked for once.

        Cost: a look at the training images for each of the kept weights, until one will do.

        Raises:
            SymscapeError: the training never comes down to that loss.
        """
        if subject not in self.found:
            self.found[subject] = self._search(subject)
        return self.found[subject]

    def _search(self, subject: Subject) -> Kept:
        if subject.run is None:
            raise ConfigError("at", f"loss:{self.level:g}", "needs runs: files are two ends")
        lowest = Kept("init", 0, float("inf"))
        for name in kept_weights(subject.run):
            network, step = subject.load_at(name)
            state: State = on_device(network, self.hardware)
            self.line.fill(state, state, 0.0)
            kept = Kept(name, step or 0, self.line.look({}, ["train"])["train"].read().loss)
            if kept.loss <= self.level:
                return kept
            lowest = min(lowest, kept, key=lambda each: each.loss)
        near = f"{lowest.loss:.4g} at step {lowest.step}"
        label = subject.reference.label
        raise SymscapeError(f"at=loss:{self.level:g}: {label} never comes down to it ({near})")

    def note(self, a: Subject, b: Subject) -> dict[str, Any]:
        """Return what a result says of its two ends."""
        return {"level": self.level, "a": asdict(self.of(a)), "b": asdict(self.of(b))}
