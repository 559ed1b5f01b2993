"""Kinds of runs, which differ by their seed alone, and what to call them."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Mapping, Sequence
from typing import Protocol, TypeVar

from symscape.runs.identity import kind_order
from symscape.runs.subjects import NetworkReference, Reference, RunReference


class OfRun(Protocol):
    """A result about one run, or one network."""

    @property
    def run(self) -> Reference:
        """Which one."""
        ...


Result = TypeVar("Result", bound=OfRun)


TRAITS = (
    ("symmetry",),
    ("symmetry", "variant"),
    ("symmetry", "augment"),
    ("symmetry", "variant", "augment"),
    ("symmetry", "augment", "model"),
    ("symmetry", "variant", "augment", "model"),
)
"""The shortest label that tells all kinds apart is taken."""


def labels_of(references: Sequence[Reference]) -> dict[str, str]:
    """Return a short label for each kind: its symmetry, and what else tells kinds apart.

    Where no trait does, that is the hash of its settings, which its name ends with. Networks that
    no run trained have their own.
    """
    own = _labels_of_networks([r for r in references if isinstance(r, NetworkReference)])
    runs = [each for each in references if not isinstance(each, NetworkReference)]
    return own | _labels_of_runs({run.name: run for run in runs})


def _labels_of_networks(networks: Sequence[NetworkReference]) -> dict[str, str]:
    """Return the labels of networks; of several files of one network, the files alone."""
    parts = {each.label: each.label.partition(" ") for each in networks}
    one = len({name for name, _, _ in parts.values()}) == 1 and len(parts) > 1
    short = one and all(weights for _, _, weights in parts.values())
    return {label: weights if short else label for label, (_, _, weights) in parts.items()}


def _labels_of_runs(kinds: Mapping[str, RunReference]) -> dict[str, str]:
    for traits in TRAITS:
        labels = {
            name: " ".join(text for t in traits if (text := getattr(run, t)))
            for name, run in kinds.items()
        }
        if len(set(labels.values())) == len(labels):
            return labels
    return {name: f"{run.symmetry} {hash_of(name)}" for name, run in kinds.items()}


def hash_of(name: str) -> str:
    """Return the hash that a run's name ends with."""
    return name.rpartition("-")[2]


def by_kind(results: Sequence[Result]) -> dict[str, list[Result]]:
    """Group results by what is equal but for the seed, in the order of the symmetries."""
    kinds: dict[str, list[Result]] = defaultdict(list)
    for result in sorted(results, key=lambda r: kind_order(r.run.symmetry)):
        kinds[result.run.name].append(result)
    return kinds
