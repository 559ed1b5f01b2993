"""Pairs of networks on the same images: exact McNemar tests and mean differences."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from itertools import combinations
from pathlib import Path
from typing import Any

from symscape.audit.comparison import Paired, compare
from symscape.audit.consistency import Agreement, Consistency, ImageMean
from symscape.runs.results import AuditResult
from symscape.runs.subjects import RunReference
from symscape.runs.tables import Row, write_rows

ALL_PAIRS = 12
"""Networks up to which all pairs are compared; among more, those of one seed."""


def write_comparisons(path: Path, results: Sequence[AuditResult]) -> None:
    """Write a row for each pair, view and quantity; nothing where no two saw the same images."""
    rows = [row for a, b in _pairs(results) for row in _rows(a, b)]
    if rows:
        write_rows(path, rows)


def _pairs(results: Sequence[AuditResult]) -> Iterator[tuple[AuditResult, AuditResult]]:
    measured = [result for result in results if result.consistency is not None]
    for a, b in combinations(measured, 2):
        same = _content(a) == _content(b)
        if same and (len(measured) <= ALL_PAIRS or _seed(a) == _seed(b)):
            yield a, b


def _content(result: AuditResult) -> str:
    assert result.consistency is not None
    return str(result.consistency["content"])


def _seed(result: AuditResult) -> int | None:
    return result.subject.seed if isinstance(result.subject, RunReference) else None


def _rows(a: AuditResult, b: AuditResult) -> Iterator[Row]:
    assert a.consistency is not None and b.consistency is not None
    for pair in compare(read_consistency(a.consistency), read_consistency(b.consistency)):
        yield _row(a, b, pair)


def _row(a: AuditResult, b: AuditResult, pair: Paired) -> Row:
    test = pair.test
    return {
        "first": a.subject.label,
        "second": b.subject.label,
        "view": pair.view,
        "quantity": pair.quantity,
        "second_minus_first": pair.difference.mean,
        "error": pair.difference.error,
        "first_only": "" if test is None else test.first_only,
        "second_only": "" if test is None else test.second_only,
        "mcnemar_p": "" if test is None else test.p,
    }


def read_consistency(entries: dict[str, Any]) -> Consistency:
    """Return what a result's file holds; null is NaN."""
    views = {
        name: Agreement(
            agreement=_mean(each["agreement"]),
            variation=_mean(each["variation"]),
            kappa=float("nan") if each["kappa"] is None else each["kappa"],
            accuracy=None if each["accuracy"] is None else _mean(each["accuracy"]),
        )
        for name, each in entries["views"].items()
    }
    accuracy = None if entries["accuracy"] is None else _mean(entries["accuracy"])
    return Consistency(entries["images"], entries["shifts"], accuracy, views)


def _mean(entries: dict[str, Any]) -> ImageMean:
    error = float("nan") if entries["error"] is None else entries["error"]
    return ImageMean(entries["mean"], error, entries["values"])
