"""Reads W&B's offline records: protocol buffers in the log format of LevelDB."""

import json
import struct
from collections.abc import Iterator
from pathlib import Path
from typing import Any

BLOCK, HEADER, FILE_HEADER = 32768, 7, 7
FULL, LAST = 1, 4


def chunks(raw: bytes) -> Iterator[bytes]:
    """Yield the records of a log: blocks of chunks with checksum, length and type."""
    place, record = FILE_HEADER, b""
    while place + HEADER <= len(raw):
        if BLOCK - place % BLOCK < HEADER:
            place += BLOCK - place % BLOCK
            continue
        _, length, kind = struct.unpack_from("<IHB", raw, place)
        record += raw[place + HEADER : place + HEADER + length]
        place += HEADER + length
        if kind in (FULL, LAST):
            yield record
            record = b""


def records(folder: Path) -> list[Any]:
    """Return every offline record below a folder, in order."""
    return [r for path in sorted(folder.rglob("run-*.wandb")) for r in records_of(path)]


def records_of(path: Path) -> list[Any]:
    """Return the records that a file holds."""
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
