"""Reading a run's result files into what the figures take; damage is an error naming the file."""

from __future__ import annotations

import csv
import json
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any, TypeVar
from zipfile import BadZipFile

import numpy as np
from numpy.typing import NDArray
from safetensors import SafetensorError, safe_open

from symscape.errors import SymscapeError

_Row = TypeVar("_Row")

_METRICS = (
    "lr",
    "train/loss",
    "train/accuracy",
    "val/loss",
    "val/accuracy",
    "symmetry/layer/total",
    "symmetry/mean_kernel/total",
)
_SYMMETRY = ("epoch", "layer", "depth", "kind", "group", "value")
_REDUNDANCY = ("epoch", "layer", "kind", "centred", "value")
_EQUIVARIANCE = ("kind", "layer", "element", "amount", "value", "accuracy", "resampled")
_NULL = ("null_low", "null_mean", "null_high")


@dataclass(frozen=True)
class Measurement:
    """One row of symmetry.csv: S of one layer at one epoch (0 is before training)."""

    epoch: int
    layer: str
    depth: int
    kind: str
    group: str
    value: float
    band: tuple[float, float, float] | None


@dataclass(frozen=True)
class Redundancy:
    """One row of redundancy.csv: a layer's leading share along the group at one epoch."""

    epoch: int
    layer: str
    kind: str
    centred: bool
    value: float


@dataclass(frozen=True)
class Equivariance:
    """One row of equivariance.csv; what a kind of row does not have is NaN or empty."""

    kind: str
    layer: str
    element: str
    amount: float
    """Degrees of an angle, factor of a scale."""
    value: float
    accuracy: float
    resampled: float
    images: int = 0
    """Of how many images; 0: a table of an earlier version does not say."""


@contextmanager
def naming(path: Path) -> Iterator[None]:
    """Turn whatever reading a damaged file raises into one line that names the file."""
    try:
        yield
    except FileNotFoundError as error:
        raise SymscapeError(f"{path}: no such file") from error
    except (OSError, ValueError, TypeError, KeyError, csv.Error, SafetensorError) as error:
        raise SymscapeError(f"{path}: cannot be read ({' '.join(str(error).split())})") from error


def read_title(path: Path) -> str:
    """Return `<name>, seed <n>` from manifest.json."""
    with naming(path):
        manifest = json.loads(path.read_text(encoding="utf-8"))
        if not isinstance(manifest, dict) or not {"name", "seed"} <= manifest.keys():
            raise ValueError("it must hold 'name' and 'seed'")
        return f"{manifest['name']}, seed {manifest['seed']}"


def read_metrics(path: Path) -> list[dict[str, float]]:
    """Return a mapping an epoch from metrics.csv, without the cells that are empty.

    Of an epoch that was written twice (a run that resumed) the later row counts.
    """
    with naming(path):
        rows = {row["epoch"]: row for row in table(path, ("epoch",), _metrics_row)}
        return [rows[epoch] for epoch in sorted(rows)]


def _metrics_row(cells: dict[str, str]) -> dict[str, float]:
    drawn = {key: float(cells[key]) for key in _METRICS if cells.get(key)}
    return {"epoch": float(cells["epoch"]), **drawn}


def read_symmetry(path: Path) -> list[Measurement]:
    """Return the rows of symmetry.csv."""
    with naming(path):
        return table(path, _SYMMETRY, _symmetry_row)


def read_final_symmetry(path: Path) -> list[Measurement]:
    """Return the rows of the last epoch of symmetry.csv: 100 epochs of 20 layers are 30,000."""
    with naming(path):
        head, *rows = path.read_text(encoding="utf-8").splitlines()
        if not rows:
            raise ValueError("it has no rows")
        epoch = rows[-1].partition(",")[0]
        first = len(rows)
        while first and rows[first - 1].partition(",")[0] == epoch:
            first -= 1
        return [_symmetry_row(cells) for cells in csv.DictReader([head, *rows[first:]])]


def _symmetry_row(cells: dict[str, str]) -> Measurement:
    low, mean, high = (float(cells.get(key) or "nan") for key in _NULL)
    return Measurement(
        epoch=int(cells["epoch"]),
        layer=cells["layer"],
        depth=int(cells["depth"]),
        kind=cells["kind"],
        group=cells["group"],
        value=float(cells["value"] or "nan"),
        band=None if np.isnan([low, mean, high]).any() else (low, mean, high),
    )


def read_redundancy(path: Path) -> list[Redundancy]:
    """Return the rows of redundancy.csv."""
    with naming(path):
        return table(path, _REDUNDANCY, _redundancy_row)


def _redundancy_row(cells: dict[str, str]) -> Redundancy:
    return Redundancy(
        epoch=int(cells["epoch"]),
        layer=cells["layer"],
        kind=cells["kind"],
        centred=bool(int(cells["centred"])),
        value=float(cells["value"] or "nan"),
    )


def read_equivariance(path: Path) -> list[Equivariance]:
    """Return the rows of equivariance.csv."""
    with naming(path):
        return table(path, _EQUIVARIANCE, _equivariance_row)


def by_angle(rows: Sequence[Equivariance], column: str) -> dict[float, float]:
    """Return a column by the angle of turned images; 0 degrees again at 360."""
    found = {row.amount: float(getattr(row, column)) for row in rows if row.kind == "angle"}
    return found | {360.0: found[0.0]} if 0.0 in found else found


def _equivariance_row(cells: dict[str, str]) -> Equivariance:
    amount, value, accuracy, resampled = (float(cells[k] or "nan") for k in _EQUIVARIANCE[3:])
    images = int(cells.get("images") or 0)
    return Equivariance(
        cells["kind"], cells["layer"], cells["element"], amount, value, accuracy, resampled, images
    )


def read_arrays(path: Path) -> dict[str, NDArray[Any]]:
    """Return the arrays of an .npz file, none of them pickled."""
    with naming(path):
        try:
            with np.load(path, allow_pickle=False) as file:
                return dict(file)
        except (BadZipFile, AttributeError, EOFError) as error:
            raise ValueError("not an .npz file") from error


def table(
    path: Path, needed: tuple[str, ...], parse: Callable[[dict[str, str]], _Row]
) -> list[_Row]:
    """Return every row of a CSV file, parsed; at least one, and none shorter than the header."""
    rows = []
    with path.open(encoding="utf-8", newline="") as file:
        reader = csv.DictReader(file)
        if missing := [key for key in needed if key not in (reader.fieldnames or ())]:
            raise ValueError(f"it lacks the columns {', '.join(missing)}")
        for cells in reader:
            if None in cells or None in cells.values():
                raise ValueError(f"line {reader.line_num} does not match the header")
            try:
                rows.append(parse(cells))
            except ValueError as error:
                raise ValueError(f"line {reader.line_num}: {error}") from error
    if not rows:
        raise ValueError("it has no rows")
    return rows


def read_kernels(path: Path) -> dict[str, NDArray[np.floating]]:
    """Return the weights (out, in, kh, kw) of the convolutions that are not 1x1, by layer name.

    Of a group kernel, which is stored as factors, that is the factor of position at the first
    element of the group. Other tensors are not loaded. The order is that of the file, which is not
    the depth.
    """
    with naming(path):
        if not path.is_file():
            raise FileNotFoundError
        with safe_open(path, framework="numpy") as file:
            names = [key for key in file.keys() if key.endswith(".weight")]  # noqa: SIM118
            shapes = {key: file.get_slice(key).get_shape() for key in names}
            spatial = [key for key in names if _is_spatial(shapes[key])]
            kernels = {key.removesuffix(".weight"): file.get_tensor(key) for key in spatial}
            kernels |= _of_groups(file)
        if not kernels:
            raise ValueError("it holds no convolution larger than 1x1")
        return kernels


def _of_groups(file: Any) -> dict[str, NDArray[np.floating]]:
    """Return the factors of position: stored (R, k, k, O, J), or (R, M, k, k, O, J) with others."""
    kernels = {}
    for key in file.keys():  # noqa: SIM118
        layer, _, factor = key.rpartition(".weight.")
        shape = file.get_slice(key).get_shape() if factor in ("space", "full") else []
        if len(shape) in (5, 6) and shape[-3] > 1:
            first = file.get_tensor(key)[(0,) * (len(shape) - 4)]
            kernels[layer] = np.ascontiguousarray(first.transpose(2, 3, 0, 1))
    return kernels


def _is_spatial(shape: list[int]) -> bool:
    return len(shape) == 4 and 0 not in shape and tuple(shape[2:]) != (1, 1)


def read_result(path: Path, needed: tuple[str, ...]) -> dict[str, Any]:
    """Return the entries of one result of an analysis, which must hold the keys `needed`."""
    with naming(path):
        entries: dict[str, Any] = json.loads(path.read_text(encoding="utf-8"))
        if missing := [key for key in needed if key not in entries]:
            raise ValueError(f"it lacks {', '.join(missing)}")
        return entries


def name_of(entries: dict[str, Any]) -> str:
    """Return what a result is about, its seed apart: a run's name, or a network's label."""
    about: dict[str, str] = entries["run"]
    return about["name"] if "name" in about else about["label"]
