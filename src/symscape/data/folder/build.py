"""Decoding a user's images, once, into the cache."""

from __future__ import annotations

import logging
import sys
from collections.abc import Generator, Iterable, Iterator
from contextlib import closing, nullcontext
from pathlib import Path

from rich.console import Console
from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeElapsedColumn

from symscape.config.data import DataConfig
from symscape.data.decoding.processes import Chunk
from symscape.data.folder import cache
from symscape.data.folder.keys import cache_folder, combine, remember, remembered, writable
from symscape.data.folder.layout import Layout
from symscape.data.folder.source import open_source
from symscape.data.folder.spool import Spool, write_parts
from symscape.data.lock import exclusive

CHUNK_FILES, CHUNK_BYTES = 64, 1 << 20


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
        logging.getLogger("symscape").info(f"decoding {config.root}, once, into {place}")
        layout = Layout(str(config.root))
        files = shown(source.read(layout), layout)
        with Spool(place, str(config.root), config.image_size) as spool, closing(files):
            spool.fill(chunks(files))
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


def shown(
    files: Iterable[tuple[str, bytes]], layout: Layout
) -> Generator[tuple[str, bytes], None, None]:
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
