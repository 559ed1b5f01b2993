"""Work on blocks of a batch, on all cores at once.

Many small operations on one block are bound by the threads of each waiting for one another. Here
every thread takes blocks of its own, which stay in the cache of its core from fold to product, and
all wait for each other once.
"""

from __future__ import annotations

import os
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from functools import lru_cache
from itertools import pairwise
from typing import TypeVar

import torch

# Bytes that a block's largest tensor takes.
BLOCK = 2 * 2**20
# Bytes below which a second thread does not pay.
SMALL = 2**18

T = TypeVar("T")


def on_all_cores(
    count: int, size: int, device: torch.device, work: Callable[[list[slice]], T]
) -> list[T]:
    """Return the results of `work` for consecutive blocks of a batch, in order.

    Which blocks a thread gets depends on the sizes and the number of threads alone, so sums over
    the results repeat to the bit.

    Args:
        count: images of the batch.
        size: bytes that an image takes in a block.
        device: where the work is; other devices than a CPU get the batch as one block.
        work: takes a list of blocks, computes without gradients.
    """
    if device.type != "cpu":
        return [work([slice(0, count)] if count else [])]
    threads = torch.get_num_threads()
    if count * size < SMALL or threads == 1 or count < threads:
        return [work(_blocks(0, count, size))]
    edges = [count * i // threads for i in range(threads + 1)]
    inference = torch.is_inference_mode_enabled()

    def alone(start: int, stop: int) -> T:
        with torch.inference_mode(inference), torch.no_grad():
            return work(_blocks(start, stop, size))

    pool = _pool(os.getpid(), threads)
    return [f.result() for f in [pool.submit(alone, *edge) for edge in pairwise(edges)]]


def _blocks(start: int, stop: int, size: int) -> list[slice]:
    """Return blocks of about equal numbers of images."""
    count = stop - start
    blocks = min(count, -(-count * size // BLOCK))
    edges = [start + count * i // blocks for i in range(blocks + 1)] if blocks else []
    return [slice(a, b) for a, b in pairwise(edges)]


@lru_cache(maxsize=1)
def _pool(process: int, threads: int) -> ThreadPoolExecutor:
    """Return threads of this process that compute alone: a fork would not inherit them."""
    pool = ThreadPoolExecutor(threads, "fold", initializer=_compute_alone)
    for started in [pool.submit(_compute_alone) for _ in range(threads)]:
        started.result()
    # The number is also what threads to come start with: theirs is not one.
    torch.set_num_threads(threads)
    return pool


def _compute_alone() -> None:
    torch.get_num_threads()  # Before it is asked for the first time, setting it would not last.
    torch.set_num_threads(1)
