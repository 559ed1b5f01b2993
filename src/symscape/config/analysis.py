"""What the configs of all analyses share: of which networks, on what, which share of the work."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any, ClassVar

from symscape.config.data import AUGMENTATIONS, DATASETS, DENSE
from symscape.config.groups import SYMMETRIES
from symscape.config.network.lie import KERNELS, LIE_GROUPS
from symscape.config.network.model import MODELS
from symscape.config.shared import PRECISIONS, LoggerConfig, check_study
from symscape.errors import ConfigError, SymscapeError, check_choice, check_number


@dataclass
class PlaceConfig:
    """Where the images of the runs are now, if no longer where they were for the training.

    Of a network that no run trained: which images, and how they are prepared.
    """

    root: str | None = None
    cache: str | None = None
    name: str | None = None
    """Of a network: a data set; null: the images of `root`, a folder or an archive of one."""
    image_size: int | None = None
    """Of a network: null: what its library says, else as the data set has them."""
    mean: Any = None
    """Of a network: a value a channel, white is 1; null: that of the training images, or for
    pretrained weights the library's."""
    std: Any = None
    """As `mean`."""

    def __post_init__(self) -> None:
        if self.name is not None:
            check_choice("data.name", self.name, [n for n in DATASETS if n not in DENSE])
        if self.image_size is not None:
            check_number("data.image_size", self.image_size, at_least=1)
        for key in ("mean", "std"):
            setattr(self, key, _numbers(f"data.{key}", getattr(self, key), above=key == "std"))
        if (self.mean is None) != (self.std is None):
            raise ConfigError("data.std", self.std, "give data.mean and data.std together")

    @property
    def given(self) -> bool:
        """Whether images of a network are named."""
        return self.root is not None or self.name is not None

    def check_of_run(self) -> None:
        """Raise ConfigError if something is said that runs have their own of."""
        for key in ("name", "image_size", "mean", "std"):
            if (value := getattr(self, key)) is not None:
                raise ConfigError(f"data.{key}", value, "needs network=NAME; runs have their own")


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
    """Of which networks, on what, which share of the work, and who sees the numbers."""

    precisions: ClassVar[tuple[str, ...]] = PRECISIONS
    """Those that the analysis computes in."""

    study: str | None = None
    """All completed runs of this study."""
    root: str = "multirun"
    """Folder of all studies."""
    only: FilterConfig = field(default_factory=FilterConfig)
    network: str | None = None
    """torchvision/NAME, timm/NAME or package.module:function, in place of a study."""
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
        if self.network is None:
            self.data.check_of_run()
        elif self.shards is not None:
            raise ConfigError("shards", self.shards, "needs study=NAME; a network is one result")

    def check_images(self) -> None:
        """Raise ConfigError if a network's images are not named."""
        if self.network is not None and not self.data.given:
            said = f"network={self.network} needs images: data.root=PATH or data=NAME"
            raise ConfigError("data.root", None, said)


@dataclass
class EachConfig(AnalysisConfig):
    """An analysis of one network after another: of a study, a run, or one that no run trained."""

    run: str | None = None
    """A run's folder (`.../seed=0`), in place of a study."""
    weights: str | None = None
    """Of `network`: null: random, from `seed`; pretrained: its library downloads them; or a
    .safetensors or .pth file."""

    def __post_init__(self) -> None:
        super().__post_init__()
        given = [key for key in ("study", "run", "network") if getattr(self, key) is not None]
        if len(given) != 1:
            said = " ".join(f"{key}={getattr(self, key)}" for key in given) or "study=null"
            raise SymscapeError(f"{said}: give one of study=NAME, run=RUN, network=NAME")
        if self.network is None and self.weights is not None:
            raise ConfigError("weights", self.weights, "needs network=NAME; runs have their own")


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


def _numbers(key: str, value: Any, *, above: bool) -> list[float] | None:
    """Return a number or a list of numbers as a list, each checked; null stays null."""
    if value is None:
        return None
    numbers = list(value) if isinstance(value, list | tuple) else [value]
    if not numbers or any(isinstance(n, bool) or not isinstance(n, int | float) for n in numbers):
        raise ConfigError(key, value, "allowed are a number a channel: [0.5,0.5,0.5]")
    for number in numbers:
        check_number(key, number, above=0 if above else None)
    return [float(number) for number in numbers]


def listed(key: str, value: object, choices: tuple[str, ...]) -> list[str] | None:
    """Return one name or a list of names as a list, each checked; null stays null."""
    if value is None:
        return None
    names = [str(name) for name in value] if isinstance(value, list | tuple) else [str(value)]
    for name in names:
        check_choice(key, name, choices)
    return names
