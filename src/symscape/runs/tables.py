"""CSV tables: of a run, growing with it and cut when it resumes; of an analysis, at once."""

from __future__ import annotations

import csv
import io
from collections.abc import Mapping, Sequence
from pathlib import Path

from symscape.runs.files import cannot_write, write_text

Value = float | int | str
Row = Mapping[str, Value]


def append_rows(path: Path, rows: Sequence[Row]) -> None:
    """Append rows with the same columns as the file's; the first write makes the header."""
    lines = io.StringIO()
    writer = csv.DictWriter(lines, fieldnames=list(rows[0]), lineterminator="\n")
    if not path.exists():
        writer.writeheader()
    writer.writerows(rows)
    try:
        with path.open("a", encoding="utf-8") as file:
            file.write(lines.getvalue())
    except OSError as error:
        raise cannot_write(path, error) from error


def keep_epochs(path: Path, last: int) -> None:
    """Drop the rows after epoch `last`, and a line that a crash cut off."""
    if not path.exists():
        return
    with path.open(encoding="utf-8", newline="") as file:
        reader = csv.DictReader(file)
        header = list(reader.fieldnames or ())
        rows = [row for row in reader if None not in row.values() and int(row["epoch"]) <= last]
    write_rows(path, rows, header)


def write_rows(path: Path, rows: Sequence[Row], header: Sequence[str] | None = None) -> None:
    """Write a whole table, all or nothing; the header is that of the first row if none is given."""
    lines = io.StringIO()
    names = list(header if header is not None else rows[0])
    writer = csv.DictWriter(lines, fieldnames=names, lineterminator="\n")
    writer.writeheader()
    writer.writerows(rows)
    write_text(path, lines.getvalue())
