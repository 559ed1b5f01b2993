"""Reads W&B's offline records: protocol buffers in the log format of LevelDB."""

import json
import struct
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

BLOCK, HEADER, FILE_HEADER = 32768, 7, 7
FULL, LAST = 1, 4
PATIENCE = 20.0


def chunks(raw: bytes) -> Iterator[bytes]:
    """Yield the records of a log: blocks of chunks with checksum, length and type."""
    place, record = FILE_HEADER, b""
    while place + HEADER <= len(raw):
        if BLOCK - place % BLOCK < HEADER:
            place += BLOCK - place % BLOCK
            continue
        _, length, kind = struct.unpack_from("<IHB", raw, place)
        if place + HEADER + length > len(raw):  # It is being written.
            return
        record += raw[place + HEADER : place + HEADER + length]
        place += HEADER + length
        if kind in (FULL, LAST):
            yield record
            record = b""


def records(folder: Path) -> list[Any]:
    """Return every offline record below a folder, in order.

    A run is finished a moment before W&B's own process has written its last record.
    """
    found = []
    for path in sorted(folder.rglob("run-*.wandb")):
        end = time.monotonic() + PATIENCE
        while not of_kind(records_of(path), "exit") and time.monotonic() < end:
            time.sleep(0.1)
        found += records_of(path)
    return found


def records_of(path: Path) -> list[Any]:
    """Return the records that a file holds by now."""
    from wandb.proto.wandb_internal_pb2 import Record

    raw = path.read_bytes()
    assert not raw or raw.startswith(b":W&B"), path
    found = []
    for chunk in chunks(raw):
        found.append(Record())
        found[-1].ParseFromString(chunk)
    return found


def of_kind(found: list[Any], kind: str) -> list[Any]:
    """Return the records of one kind."""
    return [getattr(r, kind) for r in found if r.WhichOneof("record_type") == kind]


def history(found: list[Any]) -> list[dict[str, Any]]:
    """Return what was logged, a dictionary a step."""
    return [
        {(i.key or "/".join(i.nested_key)): json.loads(i.value_json) for i in row.item}
        for row in of_kind(found, "history")
    ]
