"""Reading the results of a curvature analysis into what the figures take."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

from symscape.plots.read.runs import naming, table


@dataclass(frozen=True)
class Mean:
    """One row of summary.csv; a step of -1 is the end of the runs, nan is no interval."""

    label: str
    name: str
    step: int
    subspace: str
    scaling: str
    quantity: str
    mean: float
    low: float
    high: float
    unconverged: int


@dataclass(frozen=True)
class Single:
    """One row of sharpness.csv: a number of one run."""

    name: str
    subspace: str
    scaling: str
    quantity: str
    value: float
    seed: int
    """-1, and so the step, where nothing is known of the training."""
    step: int
    loss: float
    converged: bool


@dataclass(frozen=True)
class AtLoss:
    """One row of matched.csv: a quantity of a kind at one train loss; nan is no interval."""

    label: str
    loss: float
    step: float
    subspace: str
    scaling: str
    quantity: str
    mean: float
    low: float
    high: float


def read_matched(path: Path) -> list[AtLoss]:
    """Return the rows of matched.csv; none where no train loss is common to all."""
    texts = ("label", "subspace", "scaling", "quantity")
    numbers = ("loss", "step", "mean", "low", "high")

    def parse(cells: dict[str, str]) -> AtLoss:
        loss, step, mean, low, high = (float(cells[key] or "nan") for key in numbers)
        label, subspace, scaling, quantity = (cells[key] for key in texts)
        return AtLoss(label, loss, step, subspace, scaling, quantity, mean, low, high)

    with naming(path):
        there = len(path.read_text(encoding="utf-8").splitlines()) > 1
        return table(path, (*texts, *numbers), parse) if there else []


def read_singles(path: Path) -> list[Single]:
    """Return the rows of sharpness.csv."""
    texts = ("name", "subspace", "scaling", "quantity")

    def parse(cells: dict[str, str]) -> Single:
        return Single(
            value=float(cells["value"] or "nan"),
            seed=int(cells["seed"] or -1),
            step=int(cells["step"] or -1),
            loss=float(cells["loss"] or "nan"),
            converged=cells["converged"] != "False",
            **{key: cells[key] for key in texts},
        )

    needed = (*texts, "value", "seed", "step", "loss", "converged")
    with naming(path):
        return table(path, needed, parse)


def read_means(path: Path) -> list[Mean]:
    """Return the rows of summary.csv."""
    with naming(path):
        return table(path, ("label", "name", "step", "subspace", "scaling", "quantity"), _mean)


def _mean(cells: dict[str, str]) -> Mean:
    texts = ("label", "name", "subspace", "scaling", "quantity")
    low, high = (float(cells[key] or "nan") for key in ("low", "high"))
    return Mean(
        step=int(cells["step"]),
        mean=float(cells["mean"]),
        low=low,
        high=high,
        unconverged=int(cells["unconverged"]),
        **{key: cells[key] for key in texts},
    )
