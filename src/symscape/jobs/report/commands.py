"""The commands that made a result, or would make one that is missing."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

from symscape.config.analysis import AnalysisConfig
from symscape.config.audit import QUANTITIES, AuditConfig
from symscape.config.interpolate import InterpolateConfig
from symscape.config.sharpness import SharpnessConfig
from symscape.runs.find import Run
from symscape.runs.identity import identity

DOORS: dict[str, type[AnalysisConfig]] = {
    "interpolate": InterpolateConfig,
    "sharpness": SharpnessConfig,
    "audit": AuditConfig,
}
NAMED = ("data.name", "model.name", "symmetry.name", "group.name", "kernel.name")
NAMED_TOO = ("optimizer.name", "scheduler.name", "trainer.name")


def call(door: str, place: Path, *words: str) -> str:
    """Return how a door is called about a study, whose folder is `place`."""
    root = () if str(place.parent) == "multirun" else (f"root={place.parent}",)
    return " ".join(("python", f"{door}.py", f"study={place.name}", *root, *words))


def command_of(door: str, place: Path, folder: Path) -> str:
    """Return the command whose results a folder holds, as its first result says."""
    path = next(iter(sorted(folder.glob("*.json"))), None)
    if path is None:
        return call(door, place)
    try:
        settings = json.loads(path.read_text(encoding="utf-8"))["settings"]
    except (OSError, ValueError, KeyError, TypeError):
        return call(door, place)
    defaults = vars(DOORS[door](study="x")) | (
        {"quantities": list(QUANTITIES)} if door == "audit" else {}
    )
    changed = [(k, v) for k, v in settings.items() if k in defaults and defaults[k] != v]
    return call(door, place, *(f"{key}={_value(value)}" for key, value in changed))


def training_of(run: Run) -> str:
    """Return the command that trains a run."""
    settings = identity(run.config, run.manifest.data.get("content", ""))
    words = {key: value for key, value in settings.items() if key != "data.content"}
    names = [f"{key.split('.')[0]}={words.pop(key)}" for key in NAMED if key in words]
    usual = {"optimizer.name": "sgd", "scheduler.name": "steps", "trainer.name": "auto"}
    for key in NAMED_TOO:
        if key in words and words[key] != usual[key]:
            names.append(f"{key.split('.')[0]}={words[key]}")
        words.pop(key, None)
    others = [f"{key}={_value(value)}" for key, value in words.items()]
    return call("train", run.folder.parents[1], *names, *others, f"seed={run.config.seed}")


def _value(value: Any) -> str:
    """Return a value as the command line takes it."""
    if isinstance(value, list | tuple):
        return f"[{','.join(map(_value, value))}]"
    if value is None or isinstance(value, bool):
        return json.dumps(value)
    return str(value)
