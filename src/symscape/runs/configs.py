"""A run's config on disk: written as yaml, read back through the schema."""

from __future__ import annotations

from functools import cache
from pathlib import Path

import yaml
from omegaconf import DictConfig, OmegaConf
from omegaconf.errors import OmegaConfBaseException

from symscape.config.train import TrainConfig
from symscape.errors import SymscapeError
from symscape.runs.files import write_text


def write_config(folder: Path, config: TrainConfig) -> None:
    """Write `config.yaml`, all or nothing."""
    write_text(folder / "config.yaml", config_text(config))


def config_text(config: TrainConfig) -> str:
    """Return a config as yaml."""
    return OmegaConf.to_yaml(OmegaConf.structured(config))


def parse_config(text: str) -> TrainConfig:
    """Return the config that a yaml text holds, checked by the schema; nothing is executed."""
    entries = yaml.safe_load(text)
    if not isinstance(entries, dict) or "${" in str(entries):
        raise SymscapeError("no tree of plain values")
    config = OmegaConf.to_object(OmegaConf.merge(_schema(), entries))
    assert isinstance(config, TrainConfig)
    return config


def yaml_reason(error: Exception) -> str:
    """Return in one line why a YAML text cannot be read: what is wrong in which line, if known."""
    if isinstance(error, yaml.MarkedYAMLError) and error.problem_mark is not None:
        return f"line {error.problem_mark.line + 1}: {error.problem}"
    return str(error).splitlines()[0]


@cache  # Half of the time that reading a config takes: a study has many.
def _schema() -> DictConfig:
    schema: DictConfig = OmegaConf.structured(TrainConfig)
    return schema


def read_config(folder: Path) -> TrainConfig:
    """Read `config.yaml` through the schema: nothing in it is executed or interpolated.

    Raises:
        SymscapeError: the file is missing, damaged, or holds a key or value that is not allowed.
    """
    path = folder / "config.yaml"
    try:
        return parse_config(path.read_text(encoding="utf-8"))
    except FileNotFoundError:
        raise SymscapeError(f"{path}: no such file") from None
    except (
        yaml.YAMLError,
        OmegaConfBaseException,
        UnicodeDecodeError,
        OSError,
        SymscapeError,
    ) as error:
        reason = yaml_reason(error)
        raise SymscapeError(f"{path}: damaged, or not a run's config ({reason})") from error
