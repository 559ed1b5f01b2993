"""The share of an analysis that one of several jobs makes.

Shards share no state but the result files. Each cuts the same list of work, finished or not, into
the same parts: so they must be given the same settings, and look at the same completed runs.
"""

from __future__ import annotations

import logging
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import TypeVar

from symscape.config.interpolate import InterpolateConfig
from symscape.config.sharpness import SharpnessConfig
from symscape.jobs.analysis.results import Listing
from symscape.runs.find import Run

Item = TypeVar("Item")
log = logging.getLogger("symscape")


def share_of(
    config: InterpolateConfig | SharpnessConfig,
    items: Sequence[Item],
    cost: Callable[[Item], float] = lambda _: 1.0,
) -> list[Item]:
    """Return the part of `items` that `shard=i shards=n` makes, and say so; all without shards.

    Parts are stretches of the list of about the same cost, so that what lies close together in it
    (pairs that share a run, runs of one architecture) is made by one job.
    """
    if config.shard is None or config.shards is None:
        return list(items)
    costs = [cost(item) for item in items]
    total, before, own = sum(costs), 0.0, []
    for item, each in zip(items, costs, strict=True):
        # The middle of an item on the scale of costs says whose it is.
        if int((before + each / 2) / total * config.shards) == config.shard:
            own.append(item)
        before += each
    log.info(f"shard {config.shard} of {config.shards}: {len(own)} of {len(items)}")
    return own


def neighbours_first(pairs: Sequence[tuple[Run, Run]]) -> list[tuple[Run, Run]]:
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


def reports(
    config: InterpolateConfig | SharpnessConfig, listing: Listing, wanted: Sequence[Path], new: bool
) -> bool:
    """Whether this job is the one that shows the results on a dashboard; say what is missing.

    Of several shards, that is the one whose tables are the first with all results.

    Args:
        config: of the job.
        listing: what its tables were made of.
        wanted: the results of all shards.
        new: whether it wrote the tables just now.
    """
    if config.shards is None:
        return config.logger.name != "csv"
    if left := len(listing.lacks(wanted)):
        log.info(f"{left} results are not there yet: the last shard completes tables and pictures")
    return config.logger.name != "csv" and new and not left
