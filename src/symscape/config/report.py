"""The configs of `report.py` and `summary.py`: which study, and which claims about it to decide."""

from __future__ import annotations

from dataclasses import dataclass, field, fields
from typing import Any

from symscape.config.shared import LoggerConfig, check_study, config_keys
from symscape.config.train import TrainConfig
from symscape.errors import ConfigError, SymscapeError, check_choice, did_you_mean

QUANTITIES = ("barrier", "figure", "path", "curvature", "audit")
DEFINITIONS = {
    "barrier": ("chord", "midmean", "max"),
    "path": ("ratio", "path_length", "displacement", "share_1", "share_2"),
}
"""What a claim may be about; of the others, any number that was measured."""
SHORT = {
    "symmetry": "symmetry.name",
    "augment": "data.augment",
    "model": "model.name",
    "data": "data.name",
    "group": "group.name",
    "kernel": "kernel.name",
}
"""Settings of runs that have a short name, as on the command line."""
TO = "to"


@dataclass
class Group:
    """Runs, or pairs of runs, by their settings: any of the values a setting."""

    of: dict[str, list[Any]]
    to: dict[str, list[Any]] | None = None
    """The other run of each pair."""

    @property
    def keys(self) -> set[str]:
        """The settings that it names."""
        return {*self.of, *(self.to or {})}

    def __str__(self) -> str:
        return " to ".join(_said(side) for side in (self.of, self.to) if side is not None)


@dataclass
class ClaimConfig:
    """A claim that runs can prove wrong: a number that rises or falls along groups of runs."""

    name: str
    text: str
    quantity: str
    definition: list[str]
    """The numbers of this quantity, each with a verdict of its own."""
    groups: list[Group]
    """In order: a rising claim says that the number grows from each to the next."""
    direction: str = "rising"
    align: list[str] = field(default_factory=lambda: ["none", "activations"])
    """Of barriers: the alignments, each with a verdict of its own."""
    bn: str = "reset"
    """Of barriers and paths: how BatchNorm statistics were had."""
    split: str = "train"
    """Of barriers: train, test, or test/TRANSFORM."""


NEEDED = ("name", "quantity", "definition", "groups")


@dataclass
class SummaryConfig:
    """Which study to show."""

    study: str = "default"
    root: str = "multirun"

    def __post_init__(self) -> None:
        check_study(self.study)


@dataclass
class ReportConfig:
    """Which study to report on, and what is to be decided of it."""

    study: str = "default"
    root: str = "multirun"
    claims: Any = field(default_factory=list)
    """A list of claims, or a YAML file with `claims:` in it."""
    logger: LoggerConfig = field(default_factory=LoggerConfig)

    def __post_init__(self) -> None:
        check_study(self.study)
        if not isinstance(self.claims, str):
            read_claims(self.claims)
        if self.logger.name == "tensorboard":
            raise ConfigError("logger", self.logger.name, "an analysis takes csv or wandb")


def read_claims(entries: object) -> list[ClaimConfig]:
    """Return the claims that a list of mappings describes.

    Raises:
        SymscapeError: a key is not known or missing, or a value is not allowed.
    """
    if not isinstance(entries, list):
        raise ConfigError("claims", entries, "must be a list of claims or a YAML file of them")
    claims = [_claim(i, entry) for i, entry in enumerate(entries)]
    names = [claim.name for claim in claims]
    for name in names:
        if names.count(name) > 1:
            raise ConfigError("claims", name, "two claims have this name")
    return claims


def _claim(index: int, entry: object) -> ClaimConfig:
    if not isinstance(entry, dict):
        raise ConfigError(f"claims[{index}]", entry, f"must have the keys {', '.join(NEEDED)}")
    place = f"claims.{entry.get('name', index)}"
    known = [f.name for f in fields(ClaimConfig)]
    for key in entry:
        if key not in known:
            hint = did_you_mean(str(key), known)
            raise SymscapeError(f"{place}.{key}: no such key; {hint}allowed are {', '.join(known)}")
    if entry.get("quantity"):  # Else another key that it needs would be named first.
        check_choice(f"{place}.quantity", entry["quantity"], QUANTITIES)
    if missing := [key for key in NEEDED if not entry.get(key)]:
        raise ConfigError(f"{place}.{missing[0]}", entry.get(missing[0]), "is needed")
    given = {key: value for key, value in entry.items() if key != "groups"}
    given |= {"name": str(entry["name"]), "text": str(entry.get("text", entry["name"]))}
    given |= {key: _list(entry[key]) for key in ("definition", "align") if key in entry}
    claim = ClaimConfig(groups=_groups(place, entry), **given)
    _check(place, claim)
    return claim


def _check(place: str, claim: ClaimConfig) -> None:
    check_choice(f"{place}.direction", claim.direction, ("rising", "falling"))
    for definition in claim.definition:
        if choices := DEFINITIONS.get(claim.quantity):
            check_choice(f"{place}.definition", definition, choices)
    for group in claim.groups:
        if (group.to is not None) != (claim.quantity == "barrier"):
            said = "needs" if claim.quantity == "barrier" else "takes no"
            raise ConfigError(f"{place}.groups", group, f"quantity={claim.quantity} {said} `{TO}`")


def _groups(place: str, entry: dict[str, Any]) -> list[Group]:
    entries = entry["groups"]
    if not isinstance(entries, list) or len(entries) < 2:
        raise ConfigError(f"{place}.groups", entries, "must be two groups or more, in order")
    found = []
    for each in entries:
        if not isinstance(each, dict):
            raise ConfigError(f"{place}.groups", each, "a group is settings, as symmetry: rot90")
        of = {key: value for key, value in each.items() if key != TO}
        to = each.get(TO)
        if to is not None and not isinstance(to, dict):
            raise ConfigError(f"{place}.groups.{TO}", to, "must be settings, as symmetry: rot90")
        found.append(Group(_settings(place, of), None if to is None else _settings(place, to)))
    return found


def _settings(place: str, given: dict[str, Any]) -> dict[str, list[Any]]:
    known = [*SHORT, *(key for key in config_keys(TrainConfig) if "." in key), "seed"]
    for key in given:
        if key not in known:
            hint = did_you_mean(str(key), known)
            short = ", ".join(SHORT)
            raise SymscapeError(
                f"{place}.groups.{key}: no such setting; {hint}allowed are {short} and those of "
                "train.py"
            )
    return {SHORT.get(key, key): _list(value) for key, value in given.items()}


def _list(value: object) -> list[Any]:
    return list(value) if isinstance(value, list | tuple) else [value]


def _said(settings: dict[str, list[Any]]) -> str:
    short = {value: key for key, value in SHORT.items()}
    parts = [f"{short.get(k, k)}={'/'.join(map(str, v))}" for k, v in settings.items()]
    return " ".join(parts) or "all runs"
