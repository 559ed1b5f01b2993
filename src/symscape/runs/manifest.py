"""The manifest of a run: what it is, on what it ran, and how far it came."""

from __future__ import annotations

import json
import platform
import subprocess
from dataclasses import asdict, dataclass, field, fields
from datetime import UTC, datetime
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path
from typing import Any

from symscape.errors import SymscapeError
from symscape.runs.files import write_text

SCHEMA_VERSION = 1
STATUSES = ("running", "failed", "completed")
PACKAGES = ("symscape", "torch", "torchvision", "lightning", "numpy", "safetensors")


@dataclass
class Manifest:
    """`status` is `completed` only when everything else of the run is on disk."""

    name: str
    seed: int
    hash: str
    status: str = "running"
    message: str = ""
    schema_version: int = SCHEMA_VERSION
    started: list[str] = field(default_factory=list)
    finished: str = ""
    versions: dict[str, str] = field(default_factory=dict)
    git_commit: str = ""
    segments: list[dict[str, Any]] = field(default_factory=list)
    """Versions, commit and device, from when on: one entry unless a resumed run found others."""
    resolved: dict[str, str] = field(default_factory=dict)
    """What `auto` settings became: device, precision."""
    data: dict[str, Any] = field(default_factory=dict)
    """Content key, classes, image shape and normalisation of the data set."""
    weights: dict[str, str] = field(default_factory=dict)
    """Content hash of each weights file."""
    wandb_id: str = ""
    library: str = ""
    """Name and version of the library that a foreign network comes from."""

    def __post_init__(self) -> None:
        if self.status not in STATUSES or not isinstance(self.seed, int):
            raise ValueError(f"status={self.status}, seed={self.seed}")

    def begin(self, resolved: dict[str, str]) -> None:
        """Note that a process begins or resumes the run, and on what."""
        if self.started and not self.segments:  # By a version that kept the last one only.
            self.segments.append(self._segment(self.started[0]))
        self.status, self.message, self.finished = "running", "", ""
        self.started.append(now())
        self.versions, self.git_commit, self.resolved = package_versions(), git_commit(), resolved
        segment = self._segment(self.started[-1])
        if not self.segments or self.segments[-1] != {**segment, "from": self.segments[-1]["from"]}:
            self.segments.append(segment)

    def _segment(self, start: str) -> dict[str, Any]:
        return {
            "from": start,
            "versions": self.versions,
            "git_commit": self.git_commit,
            "device": self.resolved.get("name", ""),
        }


def write_manifest(folder: Path, manifest: Manifest) -> None:
    """Write `manifest.json`, all or nothing."""
    write_text(folder / "manifest.json", json.dumps(asdict(manifest), indent=2) + "\n")


def read_manifest(folder: Path) -> Manifest | None:
    """Read the manifest of a run, or return None where there is none yet.

    Raises:
        SymscapeError: the file is damaged, or is no manifest that this version knows.
    """
    path = folder / "manifest.json"
    try:
        entries = json.loads(path.read_text(encoding="utf-8"))
        if entries["schema_version"] > SCHEMA_VERSION:
            raise SymscapeError(f"{path}: written by a later version of symscape")
        known = {f.name for f in fields(Manifest)}
        return Manifest(**{key: value for key, value in entries.items() if key in known})
    except FileNotFoundError:
        return None
    except (ValueError, TypeError, KeyError, OSError) as error:
        raise SymscapeError(f"{path}: damaged, or not a run's manifest ({error!r})") from error


def now() -> str:
    """Return the time in UTC, to the second."""
    return datetime.now(UTC).isoformat(timespec="seconds")


def package_versions() -> dict[str, str]:
    """Return the versions of Python and of the packages that results depend on."""
    versions = {"python": platform.python_version()}
    for name in PACKAGES:
        try:
            versions[name] = version(name)
        except PackageNotFoundError:
            versions[name] = "not installed"
    return versions


def git_commit() -> str:
    """Return the commit of the source tree, with `+changes` where it has any; empty without git."""
    source = Path(__file__).parent
    try:
        commit = _git(source, "rev-parse", "HEAD").strip()
        return commit + ("+changes" if _git(source, "status", "--porcelain", "-uno") else "")
    except (OSError, subprocess.CalledProcessError):
        return ""


def _git(folder: Path, *words: str) -> str:
    command = ["git", "-C", str(folder), *words]
    return subprocess.run(command, capture_output=True, text=True, check=True).stdout
