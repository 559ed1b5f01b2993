"""The points of a training that were measured: kept until all are, for a job that is stopped."""

from __future__ import annotations

import json
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from symscape.runs.files import write_text
from symscape.runs.results import jsonable

SUFFIX = ".points"


class KeptPoints:
    """The points of one result so far, in a file beside it.

    Args:
        result: where the result goes; its name depends on settings and weights.
        about: what else a point depends on; points of another device or version are not used.
    """

    def __init__(self, result: Path, about: Mapping[str, Any]) -> None:
        self.path = result.with_name(f".{result.name}{SUFFIX}")
        self.about = json.loads(json.dumps(jsonable(dict(about))))
        self.points: dict[str, Any] = self._read()

    def _read(self) -> dict[str, Any]:
        try:
            found = json.loads(self.path.read_text(encoding="utf-8"))
            return dict(found["points"]) if found["about"] == self.about else {}
        except (OSError, ValueError, KeyError, TypeError):  # Not there, or of no use.
            return {}

    def add(self, name: str, point: Mapping[str, Any]) -> None:
        """Keep the point of one of the kept weights, all or nothing."""
        self.points[name] = jsonable(dict(point))
        self.path.parent.mkdir(parents=True, exist_ok=True)
        write_text(self.path, json.dumps({"about": self.about, "points": self.points}))

    def forget(self) -> None:
        """Begin anew."""
        self.points = {}
        self.path.unlink(missing_ok=True)


def remove_finished(folder: Path) -> None:
    """Remove the points of results that are there."""
    for path in folder.glob(f".*{SUFFIX}"):
        if path.with_name(path.name.removeprefix(".").removesuffix(SUFFIX)).exists():
            path.unlink(missing_ok=True)
