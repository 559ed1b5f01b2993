"""A user's own images: a tree or an archive, decoded once and kept as arrays."""

from __future__ import annotations

import sys
from collections.abc import Iterable, Iterator
from contextlib import nullcontext
from pathlib import Path

import torch
from rich.console import Console
from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeElapsedColumn

from symscape.config import DataConfig
from symscape.data import cache
from symscape.data.content import (
    cache_folder,
    combine,
    content_key,
    open_source,
    remember,
    remembered,
    writable,
)
from symscape.data.images import ImageSet, channels_last
from symscape.data.layout import SPLITS, Layout
from symscape.data.lock import exclusive
from symscape.data.pool import Chunk
from symscape.data.spool import Spool, write_parts

CHUNK_FILES, CHUNK_BYTES = 64, 1 << 20


def load_folder(config: DataConfig) -> tuple[ImageSet, ImageSet, tuple[str, ...], str]:
    """Return the training images, the test images, the class names and the content key.

    The tensors are mapped from the cache: memory is used as pages are read, and given back.

    Raises:
        SymscapeError: the source is malformed, an image broken, the cache damaged or unwritable.
    """
    key = content_key(config)
    if not cached(config, key).exists():
        key = build(config)
    arrays, classes = cache.read_cache(cached(config, key))
    train, test = (
        channels_last(
            torch.from_numpy(arrays[f"{split}_images"]), torch.from_numpy(arrays[f"{split}_labels"])
        )
        for split in SPLITS
    )
    return train, test, classes, key


def cached(config: DataConfig, key: str) -> Path:
    """Return the folder of one content at one size."""
    return cache_folder(config) / f"{key}-{config.image_size or 'as-is'}"


def build(config: DataConfig) -> str:
    """Decode the source in one pass into the cache, unless it is there; return the content key.

    A second process that wants the same waits for the first and finds it done.
    """
    place, source = cache_folder(config), open_source(config)
    with writable(place), exclusive(place):
        fingerprint = source.fingerprint()
        known = remembered(place, fingerprint)
        if known and cached(config, known).exists():
            return known
        cache.sweep(place)
        with Spool(place, str(config.root), config.image_size) as spool:
            layout = Layout(str(config.root))
            spool.fill(chunks(shown(source.read(layout), layout)))
            key = combine(spool.hashes)
            if not cached(config, key).exists():
                with cache.draft(cached(config, key)) as folder:
                    write_parts(folder, spool, layout.classes())
        remember(place, fingerprint, key)
        return key


def chunks(files: Iterable[tuple[str, bytes]]) -> Iterator[Chunk]:
    """Group files into pieces of work: many small ones, or a few large ones."""
    chunk: Chunk = []
    held = 0
    for path, data in files:
        chunk.append((path, data))
        held += len(data)
        if len(chunk) >= CHUNK_FILES or held >= CHUNK_BYTES:
            yield chunk
            chunk, held = [], 0
    if chunk:
        yield chunk


def shown(files: Iterable[tuple[str, bytes]], layout: Layout) -> Iterator[tuple[str, bytes]]:
    """Pass files on; a terminal sees how far they are."""
    columns = (TextColumn("decoding"), BarColumn(), MofNCompleteColumn(), TimeElapsedColumn())
    console = Console(file=sys.stderr)
    bar = Progress(*columns, console=console, transient=True, disable=not console.is_terminal)
    with bar if console.is_terminal else nullcontext():
        task = bar.add_task("decoding", total=None)
        for count, file in enumerate(files, 1):
            if count % CHUNK_FILES == 0:
                bar.update(task, completed=count, total=layout.total)
            yield file
