"""Kinds of audited networks, which differ by their seed alone: their order, what to call them."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Sequence
from typing import Any

from symscape.jobs.analysis.labels import hash_of, labels_of
from symscape.runs.identity import kind_order
from symscape.runs.results import AuditResult
from symscape.runs.subjects import RunReference


def kind_of(result: AuditResult) -> str:
    """Return what is equal but for the seed: a run's name, or a network's label."""
    subject = result.subject
    return subject.name if isinstance(subject, RunReference) else subject.label


def by_kind(results: Sequence[AuditResult]) -> dict[str, list[AuditResult]]:
    """Group results by their kind."""
    kinds: dict[str, list[AuditResult]] = defaultdict(list)
    for result in results:
        kinds[kind_of(result)].append(result)
    return kinds


def in_order(results: Sequence[AuditResult]) -> list[AuditResult]:
    """Return results in the order of tables and pictures: networks, then runs by symmetry."""

    def place(result: AuditResult) -> tuple[Any, ...]:
        run = result.subject
        return (1, kind_order(run.symmetry)) if isinstance(run, RunReference) else (0,)

    return sorted(results, key=place)


def names_of(results: Sequence[AuditResult]) -> dict[str, str]:
    """Return a short label for each kind of run, and each network's own."""
    runs = [r.subject for r in results if isinstance(r.subject, RunReference)]
    own = {r.subject.label: r.subject.label for r in results}
    labels = labels_of(runs)
    if any(label.endswith(hash_of(name)) for name, label in labels.items()):
        labels = _said({kind_of(r): _settings(r) for r in results if kind_of(r) in labels})
    if len(set(labels.values())) < len(labels):  # They differ by something else.
        labels = {name: f"{label} {hash_of(name)}" for name, label in labels.items()}
    return own | labels


def _settings(result: AuditResult) -> dict[str, str]:
    """Return the settings that an audit is about, in words."""
    subject, about = result.subject, result.about
    assert isinstance(subject, RunReference)
    traits = {key: getattr(subject, key) for key in ("symmetry", "augment", "model")}
    traits |= {key: str(about.get(key) or "") for key in ("padding", "downsample", "blur")}
    return traits | {"size": f"{about['input_size'][0]}px"}


def _said(kinds: dict[str, dict[str, str]]) -> dict[str, str]:
    """Return a label for each kind, of the settings that they do not all share."""
    telling = [
        key for key in next(iter(kinds.values())) if len({k[key] for k in kinds.values()}) > 1
    ]
    return {
        name: " ".join(filter(None, (traits[key] for key in telling)))
        for name, traits in kinds.items()
    }
