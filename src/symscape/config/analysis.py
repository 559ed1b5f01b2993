"""What the configs of all analyses share: of which runs, on what, which share of the work."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any, ClassVar

from symscape.config.data import AUGMENTATIONS
from symscape.config.groups import SYMMETRIES
from symscape.config.network.lie import KERNELS, LIE_GROUPS
from symscape.config.network.model import MODELS
from symscape.config.shared import PRECISIONS, LoggerConfig, check_study
from symscape.errors import ConfigError, check_choice, check_number


@dataclass
class PlaceConfig:
    """Where the images of the runs are now, if no longer where they were for the training."""

    root: str | None = None
    cache: str | None = None


@dataclass
class FilterConfig:
    """Which runs of a study: one value or a list each; null takes all."""

    symmetry: Any = None
    augment: Any = None
    model: Any = None
    seed: Any = None
    group: Any = None
    kernel: Any = None
    """Of networks on groups."""

    def __post_init__(self) -> None:
        self.group = listed("only.group", self.group, LIE_GROUPS)
        self.kernel = listed("only.kernel", self.kernel, KERNELS)
        self.symmetry = listed("only.symmetry", self.symmetry, SYMMETRIES)
        self.augment = listed("only.augment", self.augment, AUGMENTATIONS)
        self.model = listed("only.model", self.model, _models(self.model))
        if self.seed is not None:
            self.seed = list(self.seed) if isinstance(self.seed, list | tuple) else [self.seed]
            if any(type(seed) is not int or seed < 0 for seed in self.seed):
                raise ConfigError("only.seed", self.seed, "allowed are whole numbers >= 0")


@dataclass
class AnalysisConfig:
    """Of which runs, on what, which share of the work, and who sees the numbers."""

    precisions: ClassVar[tuple[str, ...]] = PRECISIONS
    """Those that the analysis computes in."""

    study: str | None = None
    """All completed runs of this study."""
    root: str = "multirun"
    """Folder of all studies."""
    only: FilterConfig = field(default_factory=FilterConfig)
    accelerator: str = "auto"
    precision: str = "auto"
    """auto: bfloat16 where the hardware computes it natively, checked against float32."""
    force: bool = False
    """Compute again what is there."""
    shard: int | None = None
    """Make only this share of the work, 0 to `shards` - 1: `-m shards=4 shard=0,1,2,3`."""
    shards: int | None = None
    """Into how many shares the work is cut."""
    data: PlaceConfig = field(default_factory=PlaceConfig)
    logger: LoggerConfig = field(default_factory=LoggerConfig)

    def __post_init__(self) -> None:
        if self.study is not None:
            check_study(self.study)
        check_choice("accelerator", self.accelerator, ("auto", "cpu", "gpu"))
        check_choice("precision", self.precision, self.precisions)
        check_shard(self.shard, self.shards)
        if self.logger.name == "tensorboard":
            raise ConfigError("logger", self.logger.name, "an analysis takes csv or wandb")


def check_shard(shard: int | None, shards: int | None) -> None:
    """Raise ConfigError unless both are None, or `shard` is one of 0 to `shards` - 1."""
    if shards is None and shard is None:
        return
    if shards is None:
        raise ConfigError("shard", shard, "needs shards=N, into how many the work is cut")
    check_number("shards", shards, at_least=1)
    every = ",".join(map(str, range(shards))) if shards <= 8 else f"0,...,{shards - 1}"
    if shard is None:
        raise ConfigError("shards", shards, f"needs shard=I; -m shard={every} makes all")
    if not 0 <= shard < shards:
        raise ConfigError("shard", shard, f"shards={shards} allows {every}")


def _models(asked: object) -> tuple[str, ...]:
    """Return the names of networks; of those that are not ours, all that are asked for."""
    names = asked if isinstance(asked, list | tuple) else (asked,)
    return (*MODELS, *(str(name) for name in names if set("/:") & set(str(name))))


def listed(key: str, value: object, choices: tuple[str, ...]) -> list[str] | None:
    """Return one name or a list of names as a list, each checked; null stays null."""
    if value is None:
        return None
    names = [str(name) for name in value] if isinstance(value, list | tuple) else [str(value)]
    for name in names:
        check_choice(key, name, choices)
    return names
