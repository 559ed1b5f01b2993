"""The numbers of an audit's result, by name."""

from __future__ import annotations

import math
from collections.abc import Iterator, Sequence
from typing import Any

from symscape.runs.results import AuditResult

LEVEL = 0.05
"""Chance at which a layer's symmetry counts as more than chance."""


def numbers_of(result: AuditResult) -> dict[str, float]:
    """Return all numbers that are compared between networks: means over layers, sites, images."""
    found: dict[str, float] = {}
    for moment, layers in result.kernels.items():
        tied = bool(result.about.get("tied"))
        found |= {f"{name}/{moment}": value for name, value in _of_kernels(layers, tied)}
    found |= _of_look(result.padding, result.invariance, result.consistency)
    for mitigation, m in result.mitigations.items():
        keys = ("padding", "invariance", "consistency")
        after = _of_look(*(m.get(key) for key in keys))
        found |= {f"{mitigation}: {name}": value for name, value in after.items()}
    return found


def _of_look(
    padding: dict[str, Any] | None,
    invariance: dict[str, Any] | None,
    consistency: dict[str, Any] | None,
) -> dict[str, float]:
    found = dict(_of_padding(padding)) if padding is not None else {}
    if invariance is not None:
        found["defect"] = invariance["worst"]
    return found | (dict(_of_consistency(consistency)) if consistency is not None else {})


def _of_kernels(layers: Sequence[dict[str, Any]], tied: bool) -> Iterator[tuple[str, float]]:
    """Yield the means over layers; what compares with chance only where that made the kernels."""
    strided = [layer for layer in layers if max(layer["stride"]) > 1]
    yield "S", mean_of([layer["score"] for layer in layers])
    yield "S_strided", mean_of([layer["score"] for layer in strided])
    if not tied:
        yield "S_chance", mean_of([layer["null"]["mean"] for layer in layers])
    yield "twin", mean_of([layer["twin"] for layer in layers])
    # Without the layers whose filters share no kernel: S of these is chance.
    common = [layer for layer in layers if _at_level(layer["strength_p"])]
    yield "S_common", mean_of([layer["score"] for layer in common])
    yield "twin_common", mean_of([layer["twin"] for layer in common])
    yield "single", mean_of([layer["single"] for layer in layers])
    if not tied:
        yield "S_beats_chance", _share_below([layer["p"] for layer in layers])
        yield "twin_beats_chance", _share_below([layer["twin_p"] for layer in layers])
    for axis in ("rows", "columns"):
        yield f"skew_{axis}_strided", mean_of([layer[f"skew_{axis}"] for layer in strided])


def _share_below(chances: Sequence[float | None]) -> float:
    """Return the share of chances of at most LEVEL, those that are unknown left out."""
    known = [p for p in chances if p is not None]
    return sum(map(_at_level, known)) / len(known) if known else math.nan


def _at_level(p: float | None) -> bool:
    return p is not None and p <= LEVEL


def mean_of(values: Sequence[float | None]) -> float:
    """Return the mean of the numbers that exist; NaN if none does."""
    known = [value for value in values if value is not None]
    return sum(known) / len(known) if known else math.nan


def _of_padding(padding: dict[str, Any]) -> Iterator[tuple[str, float]]:
    yield "sites_strided", float(len(strided_sites(padding)))
    yield "sites_uneven", float(len(uneven_sites(padding["sites"])))
    yield "drift_rows", padding["drift"][0]
    yield "drift_columns", padding["drift"][1]
    yield "misaligned", float(len(padding["misaligned"]))


def strided_sites(padding: dict[str, Any]) -> list[dict[str, Any]]:
    """Return the sites that leave pixels out."""
    return [site for site in padding["sites"] if max(site["stride"]) > 1]


def uneven_sites(sites: Sequence[dict[str, Any]]) -> list[dict[str, Any]]:
    """Return the sites that do not commute with flips."""
    return [site for site in sites if any(site["offset"])]


def _of_consistency(consistency: dict[str, Any]) -> Iterator[tuple[str, float]]:
    if consistency["accuracy"] is not None:
        yield "accuracy", consistency["accuracy"]["mean"]
    if "miou" in consistency:
        yield "mIoU", consistency["miou"]
    for view, entries in consistency["views"].items():
        yield f"agreement/{view}", entries["agreement"]["mean"]
        yield f"variation/{view}", entries["variation"]["mean"]
        yield f"kappa/{view}", math.nan if entries["kappa"] is None else entries["kappa"]
        if entries["accuracy"] is not None:
            yield f"accuracy/{view}", entries["accuracy"]["mean"]
        if "border" in entries:
            yield f"agreement near the border/{view}", entries["border"]["mean"]
            yield f"mIoU/{view}", entries["miou"]
