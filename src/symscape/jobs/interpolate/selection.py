"""Which runs can be compared, and which pairs of them are."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Hashable, Sequence
from dataclasses import asdict
from functools import lru_cache
from hashlib import sha256
from heapq import nsmallest
from itertools import combinations
from typing import Any, TypeVar

from symscape.config.network.model import ON_GROUPS
from symscape.errors import SymscapeError
from symscape.jobs.analysis.subjects import RunSubject, Subject
from symscape.jobs.console import log
from symscape.runs.find import Run

Pair = tuple[Subject, Subject]
Item = TypeVar("Item", bound=Hashable)

SAME = ("content", "classes", "channels", "height", "width", "mean", "std")
"""What two runs must agree on in their manifests' `data`; mean and std follow val_fraction."""


def chosen_pairs(runs: Sequence[Run], which: str, per_cell: int | None) -> list[Pair]:
    """Return the pairs to measure; say which ones are left out.

    Raises:
        SymscapeError: there is no such pair, or two runs cannot be compared.
    """
    pairs = select_pairs(runs, which, per_cell)
    if not pairs:
        raise SymscapeError(f"pairs={which}: {len(runs)} completed run(s) make no such pair")
    kept, why = comparable(pairs)
    if len(kept) < len(pairs):
        log.info(f"left out: {len(pairs) - len(kept)} of {len(pairs)} pairs are unlike: {why}")
    subjects = {run: RunSubject(run) for run in runs}
    return [(subjects[a], subjects[b]) for a, b in kept]


def alike(a: Subject, b: Subject) -> bool:
    """Whether two networks are of one architecture, for the same images."""
    if a.run is None or b.run is None:
        return a.run is b.run  # Networks that are asked for together are.
    return traits(a.run) == traits(b.run)


def comparable(pairs: Sequence[tuple[Run, Run]]) -> tuple[list[tuple[Run, Run]], str]:
    """Return the pairs of equal architecture, and in a line what the first other one differs by.

    Raises:
        SymscapeError: two runs were trained on other images, or no pair is left.
    """
    kept, why = [], ""
    for a, b in pairs:
        key = next((key for key in traits(b) if traits(a).get(key) != traits(b)[key]), None)
        if key is None:
            kept.append((a, b))
            continue
        values = " and ".join(_brief(traits(run).get(key, "none")) for run in (a, b))
        why = why or f"{a.folder} and {b.folder}: {key} differs ({values})"
        if key.startswith("data.") or len(pairs) == 1:
            raise SymscapeError(f"{why}; only equal ones can be compared")
    if not kept:
        raise SymscapeError(f"{why}; no pair is left: only equal ones can be compared")
    return kept, why


@lru_cache(maxsize=4096)  # Of 1,000 runs each is looked at in 999 pairs.
def traits(run: Run) -> dict[str, Any]:
    """Return what runs must share for their networks and images to be compared."""
    model = {f"model.{key}": value for key, value in asdict(run.config.model).items()}
    del model["model.weights"]  # Where a run began says nothing about its architecture.
    grid = run.config.group.grid if run.config.model.name in ON_GROUPS else {}
    # How far a kernel reaches along the group decides nothing about the space that it lies in.
    group = {f"group.{key}": value for key, value in grid.items() if key != "reach"}
    return model | group | {f"data.{key}": run.manifest.data.get(key) for key in SAME}


def _brief(value: object) -> str:
    if isinstance(value, list):
        return f"{len(value)} classes" if value and isinstance(value[0], str) else str(value)
    return str(value)[:16]


def select_pairs(
    runs: Sequence[Run], which: str, per_cell: int | None = None
) -> list[tuple[Run, Run]]:
    """Return each pair of different runs once, or a sample of them.

    Args:
        runs: to pair.
        which: `all`; `within`: pairs that differ by their seed alone; `cross`: the others.
        per_cell: at most so many pairs of each two kinds of runs. Those with the smallest hashes of
            their names are taken: random, the same ones always, and most of them still there when
            runs are added to the study.
    """
    pairs = list(combinations(runs, 2))
    if which != "all":
        pairs = [pair for pair in pairs if len(set(_names(pair))) == 1 + (which == "cross")]
    if per_cell is None:
        return pairs
    ranks: dict[frozenset[str], list[tuple[bytes, int]]] = defaultdict(list)
    for i, pair in enumerate(pairs):
        seeds = sorted(f"{run.manifest.name} {run.manifest.seed}" for run in pair)
        ranks[frozenset(_names(pair))].append((sha256("\n".join(seeds).encode()).digest(), i))
    chosen = (i for cell in ranks.values() for _, i in nsmallest(per_cell, cell))
    return [pairs[i] for i in sorted(chosen)]


def _names(pair: tuple[Run, Run]) -> tuple[str, str]:
    return pair[0].manifest.name, pair[1].manifest.name


def neighbours_first(pairs: Sequence[tuple[Item, Item]]) -> list[tuple[Item, Item]]:
    """Return pairs in an order in which stretches of any length touch few runs.

    Pairs are the places of a matrix of runs, walked along in Z-order (Morton 1966): 16 stretches of
    the 499,500 pairs of 1,000 runs load their weights, of which 47 ResNet-18 are kept in memory,
    2,800 times each, and row by row 31,000 times.
    """
    runs = dict.fromkeys(run for pair in pairs for run in pair)
    index = {run: i for i, run in enumerate(runs)}
    return sorted(pairs, key=lambda pair: _interleaved(index[pair[0]], index[pair[1]]))


def _interleaved(row: int, column: int) -> int:
    """Return the number whose bits are those of a row and a column in turn."""
    bits = max(row, column).bit_length()
    return sum((row >> b & 1) << 2 * b + 1 | (column >> b & 1) << 2 * b for b in range(bits))
