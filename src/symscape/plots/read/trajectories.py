"""Reading the tables of the paths of trainings."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

from symscape.plots.read.runs import naming, table


@dataclass(frozen=True)
class PathNumber:
    """One row of trajectories.csv: a number of one run's path."""

    name: str
    seed: int
    bn: str
    number: str
    value: float


def read_path_numbers(path: Path) -> list[PathNumber]:
    """Return the rows of trajectories.csv."""

    def parse(cells: dict[str, str]) -> PathNumber:
        return PathNumber(
            name=cells["name"],
            seed=int(cells["seed"]),
            bn=cells["bn"],
            number=cells["number"],
            value=float(cells["value"] or "nan"),
        )

    with naming(path):
        return table(path, ("name", "seed", "bn", "number", "value"), parse)
