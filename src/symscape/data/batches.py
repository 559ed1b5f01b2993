"""Batches of an image set that stays on the device."""

from __future__ import annotations

import hashlib
from collections.abc import Iterator
from weakref import WeakKeyDictionary

import torch
from torch import Tensor

from symscape.data.augment import apply, check_policy, draw, move
from symscape.data.images import ImageSet
from symscape.stopping import safe_point

RESIDENT_SHARE = 0.5
"""Of the free memory of a device: the most that an image set may take."""
BLOCK = 1 << 28
"""Bytes that move to a device at a time."""

_residents: WeakKeyDictionary[ImageSet, dict[torch.device, tuple[Tensor, Tensor]]]
_residents = WeakKeyDictionary()


class Batches:
    """Iterates over an image set in normalised, augmented batches (x, y).

    The order of an epoch depends on (seed, epoch) alone, and for a given batch size the
    augmentation of a batch on (seed, epoch, step) alone: a run that resumes sees what it would have
    seen. Both are drawn on the CPU, for the whole batch, so every device sees the same.

    Where several processes (ranks) train one network, each shows its own part of every batch. The
    parts are disjoint, together they are the batch that one process would show, and their sizes
    differ by one image at most; a part of a small last batch may be empty.

    Args:
        images: The set; all Batches of one set share its copy on the device.
        batch_size: Images a batch; the last one may be smaller.
        mean: See `augment.apply`.
        std: See `augment.apply`.
        device: Where the batches are needed.
        dtype: Of x, which is (B, C, H, W) in channels_last memory.
        policy: Name of an augmentation.
        seed: 0 is a seed like any other; may be None where nothing is random.
        shuffle: A new order each epoch; otherwise that of the set.
        drop_last: Leave a smaller last batch out.
        limit: Stop after this many batches.
        rank: Whose part of each batch to show.
        ranks: How many parts there are.

    Raises:
        ValueError: something is random and there is no seed, batch_size is below 1, or there is
            no such rank.
        ConfigError: the policy does not fit the images.
    """

    def __init__(
        self,
        images: ImageSet,
        *,
        batch_size: int,
        mean: tuple[float, ...],
        std: tuple[float, ...],
        device: torch.device | str,
        dtype: torch.dtype = torch.float32,
        policy: str = "none",
        seed: int | None = None,
        shuffle: bool,
        drop_last: bool = False,
        limit: int | None = None,
        rank: int = 0,
        ranks: int = 1,
    ) -> None:
        check_policy(policy, *images.images.shape[2:])
        if batch_size < 1 or (limit is not None and limit < 0):
            raise ValueError(f"batch_size={batch_size}, limit={limit}: allowed are >= 1 and >= 0")
        if not 0 <= rank < ranks:
            raise ValueError(f"rank={rank}: allowed are 0 to {ranks - 1}")
        if seed is None and (shuffle or policy != "none"):
            raise ValueError(f"seed=None: shuffle={shuffle} and policy={policy} need a seed")
        self.images = images
        self.batch_size, self.drop_last, self.limit = batch_size, drop_last, limit
        self.mean, self.std, self.dtype = tuple(mean), tuple(std), dtype
        self.device = torch.device(device)
        self.policy, self.seed, self.shuffle = policy, seed, shuffle
        self.rank, self.ranks = rank, ranks
        self.epoch = 0

    batch_sampler = None
    """Lightning looks for one beside `sampler`."""

    @property
    def sampler(self) -> Batches:
        """What Lightning calls `set_epoch` on: this object."""
        return self

    def set_epoch(self, epoch: int) -> None:
        """Choose the epoch that the next iteration shows."""
        self.epoch = epoch

    def __len__(self) -> int:
        count = len(self.images)
        batches = count // self.batch_size if self.drop_last else -(-count // self.batch_size)
        return batches if self.limit is None else min(batches, self.limit)

    def __iter__(self) -> Iterator[tuple[Tensor, Tensor]]:
        images, labels = resident(self.images, self.device)
        order, epoch = self.order().to(images.device), self.epoch
        for step in range(len(self)):
            safe_point()
            whole = order[step * self.batch_size : (step + 1) * self.batch_size]
            moves = draw(self.policy, len(whole), self._stream("augment", epoch, step))
            part = slice(*self._bounds(len(whole)))
            rows, moves = whole[part], moves.subset(part)
            x = images.index_select(0, rows).to(self.device, non_blocking=True)
            y = labels.index_select(0, rows).to(self.device, non_blocking=True)
            if y.ndim == 3:  # A class for each pixel, which moves with it.
                y = move(y, moves, 1).long()
            raw = x.view(len(rows), *images_shape(self.images)).permute(0, 3, 1, 2)
            yield apply(raw, moves, self.mean, self.std, self.dtype), y

    def weight(self, step: int) -> float:
        """Return what the mean over this rank's part of a batch counts.

        The mean over the ranks of (weight times mean over the part) is the mean over the batch.
        """
        count = min(self.batch_size, len(self.images) - step * self.batch_size)
        first, end = self._bounds(count)
        return (end - first) * self.ranks / count

    def _bounds(self, count: int) -> tuple[int, int]:
        return self.rank * count // self.ranks, (self.rank + 1) * count // self.ranks

    def order(self) -> Tensor:
        """Return the indices of the current epoch's images, int64 (N,), on the CPU."""
        if not self.shuffle:
            return torch.arange(len(self.images))
        return torch.randperm(len(self.images), generator=self._stream("order", self.epoch))

    def _stream(self, purpose: str, *place: int) -> torch.Generator | None:
        return None if self.seed is None else stream(purpose, self.seed, *place)


def stream(purpose: str, *key: int) -> torch.Generator:
    """Return a random stream of its own for each purpose and key; the same on every machine."""
    digest = hashlib.sha256(repr((purpose, *key)).encode()).digest()
    return torch.Generator().manual_seed(int.from_bytes(digest[:8], "big") >> 1)


def images_shape(images: ImageSet) -> tuple[int, int, int]:
    """Return (H, W, C)."""
    _, channels, height, width = images.images.shape
    return height, width, channels


def resident(images: ImageSet, device: torch.device) -> tuple[Tensor, Tensor]:
    """Return images, uint8 (N, H W C), and labels of a set, on the device if they fit there.

    They move once; later calls get the same tensors. Where they do not fit they stay where they
    are, on the host and possibly in a mapped file.
    """
    homes = _residents.setdefault(images, {})
    if device not in homes:
        size = images.images.numel()
        home = device if size <= RESIDENT_SHARE * free_memory(device) else images.images.device
        rows = images.images.permute(0, 2, 3, 1).flatten(1)
        homes[device] = moved(rows, home), images.labels.to(home)
    return homes[device]


def moved(rows: Tensor, device: torch.device) -> Tensor:
    """Return images, uint8 (N, P), on a device; they stay where they are if they are there."""
    if rows.device == device:
        return rows
    there = torch.empty_like(rows, device=device)
    a_block = max(1, BLOCK // max(1, rows.shape[1]))
    for source, target in zip(torch.split(rows, a_block), torch.split(there, a_block), strict=True):
        safe_point()
        target.copy_(source)
    return there


def free_memory(device: torch.device) -> float:
    """Return the bytes that are free on a device; on the CPU nothing needs to move."""
    if device.type == "cuda":
        return float(torch.cuda.mem_get_info(device)[0])
    if device.type == "mps":
        return float(torch.mps.recommended_max_memory() - torch.mps.driver_allocated_memory())
    return float("inf")
