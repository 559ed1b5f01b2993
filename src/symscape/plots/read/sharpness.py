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
    step: int
    loss: float
    converged: bool


def read_singles(path: Path) -> list[Single]:
    """Return the rows of sharpness.csv."""
    texts = ("name", "subspace", "scaling", "quantity")

    def parse(cells: dict[str, str]) -> Single:
        return Single(
            value=float(cells["value"] or "nan"),
            seed=int(cells["seed"]),
            step=int(cells["step"]),
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
