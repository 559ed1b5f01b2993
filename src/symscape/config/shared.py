"""What the configs of all doors share: who sees the numbers, and names of studies."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import MISSING, dataclass, field, fields, is_dataclass

from symscape.errors import ConfigError, check_choice

PRECISIONS = ("auto", "float32", "bfloat16", "float64")


@dataclass
class LoggerConfig:
    """Who sees the numbers, besides the files of the run."""

    name: str = "csv"
    project: str = "symscape"
    entity: str | None = None
    mode: str = "online"
    """online, or offline: records stay in the run's folder until `wandb sync`."""
    tags: list[str] = field(default_factory=list)
    log_weights: bool = False
    """Upload the final weights as an artifact."""

    def __post_init__(self) -> None:
        check_choice("logger", self.name, ("csv", "tensorboard", "wandb"))
        check_choice("logger.mode", self.mode, ("online", "offline"))


def check_study(study: str) -> None:
    """Raise ConfigError unless `study` is a plain folder name: results stay below `root`."""
    if not study or study in (".", "..") or any(c in study for c in "/\\\0"):
        raise ConfigError("study", study, "must be the plain name of a folder")


def config_keys(schema: type, prefix: str = "") -> Iterator[str]:
    """Yield the dotted names of all settings of a schema, groups included."""
    for entry in fields(schema):
        yield prefix + entry.name
        default = entry.default_factory
        if default is not MISSING and is_dataclass(default):
            yield from config_keys(default, f"{prefix}{entry.name}.")
