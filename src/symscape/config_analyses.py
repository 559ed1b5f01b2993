"""Typed schemas of the doors that look at finished runs, with their checks; see `config`."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any

from symscape.config import (
    AUGMENTATIONS,
    PRECISIONS,
    STANDARD_WIDTHS,
    SYMMETRIES,
    LoggerConfig,
    check_study,
)
from symscape.errors import ConfigError, check_choice, check_number

TRANSFORMS = ("hflip", "vflip", "rot90", "rot180", "rot270")
ALIGNMENTS = ("none", "activations", "weights", "best")
BN_POLICIES = ("reset", "lerp", "none", "repair")
SHARPNESS_CHOICES = {
    "quantities": ("eigenvalues", "trace", "density", "random_ascent", "worst_case"),
    "subspaces": ("own", "ambient", "complement", "random"),
    "scalings": ("none", "filter", "elementwise"),
}
PAIRS = ("all", "within", "cross")


@dataclass
class SummaryConfig:
    """Which study to show."""

    study: str = "default"
    root: str = "multirun"

    def __post_init__(self) -> None:
        check_study(self.study)


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

    def __post_init__(self) -> None:
        self.symmetry = _listed("only.symmetry", self.symmetry, SYMMETRIES)
        self.augment = _listed("only.augment", self.augment, AUGMENTATIONS)
        self.model = _listed("only.model", self.model, tuple(STANDARD_WIDTHS))
        if self.seed is not None:
            self.seed = list(self.seed) if isinstance(self.seed, list | tuple) else [self.seed]
            if any(type(seed) is not int or seed < 0 for seed in self.seed):
                raise ConfigError("only.seed", self.seed, "allowed are whole numbers >= 0")


@dataclass
class InterpolateConfig:
    """Which networks to connect, how, and on which images to look at the line between them."""

    study: str | None = None
    """Compare the runs of this study; or name two runs by `a` and `b`."""
    root: str = "multirun"
    a: str | None = None
    """A run's folder (`.../seed=0`)."""
    b: str | None = None
    along: str = "pairs"
    """pairs: the line between two runs; trajectory: the path of the training of each run."""
    pairs: str = "all"
    """all; within: two seeds of the same settings; cross: different settings."""
    pairs_per_cell: int | None = None
    """At most so many of the pairs of each two settings, chosen by a hash; null: all of them."""
    only: FilterConfig = field(default_factory=FilterConfig)
    align: str = "none"
    """none, activations, weights; best: the lower barrier (train loss, chord) of the last two."""
    restarts: int = 8
    """Random starts of `align=weights`, besides its two fixed ones."""
    bn: str = "reset"
    """BatchNorm statistics: reset, lerp, none or repair; at the end points too."""
    points: int = 25
    """Points of the line, both ends included: odd, so that the middle is one of them."""
    plane_points: int = 11
    """Of `along=trajectory`: points a side of the plane; 0 leaves the plane out."""
    transform: Any = None
    """Flip or turn the test images as well: hflip, vflip, rot90, rot180, rot270 or a list."""
    train_images: int = 10_000
    """Training images, clean, for the loss; the same ones always. As many as there are, at most."""
    bn_images: int = 10_000
    """Training images, clean, in fixed order, for the BatchNorm statistics."""
    align_images: int = 10_000
    """Training images for `align=activations`."""
    test_images: int | None = None
    """null: the whole test set."""
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
        self._check_subject()
        check_choice("along", self.along, ("pairs", "trajectory"))
        check_choice("pairs", self.pairs, PAIRS)
        if self.pairs_per_cell is not None:
            check_number("pairs_per_cell", self.pairs_per_cell, at_least=1)
        check_choice("align", self.align, ALIGNMENTS)
        check_choice("bn", self.bn, BN_POLICIES)
        check_choice("accelerator", self.accelerator, ("auto", "cpu", "gpu"))
        check_choice("precision", self.precision, PRECISIONS)
        if self.points < 3 or self.points % 2 == 0:
            raise ConfigError("points", self.points, "must be odd and >= 3: else it misses 1/2")
        if self.plane_points and (self.plane_points < 3 or self.plane_points % 2 == 0):
            raise ConfigError("plane_points", self.plane_points, "must be 0, or odd and >= 3")
        if self.along == "trajectory" and (self.align != "none" or self.bn == "repair"):
            raise ConfigError(
                "along", self.along, "takes align=none and bn=reset, lerp or none: it is one run"
            )
        if self.along == "trajectory" and self.bn != "reset" and self.plane_points:
            raise ConfigError(
                "plane_points", self.plane_points, f"the plane needs bn=reset; bn={self.bn} takes 0"
            )
        for name in ("train_images", "bn_images", "align_images"):
            check_number(name, getattr(self, name), at_least=1)
        if self.test_images is not None:
            check_number("test_images", self.test_images, at_least=1)
        check_number("restarts", self.restarts, at_least=0)
        check_shard(self.shard, self.shards)
        transform = None if self.transform == "none" else self.transform
        self.transform = _listed("transform", transform, TRANSFORMS) or []

        if self.logger.name == "tensorboard":
            raise ConfigError("logger", self.logger.name, "an analysis takes csv or wandb")

    def _check_subject(self) -> None:
        runs = [run for run in (self.a, self.b) if run is not None]
        needed = 1 if self.along == "trajectory" else 2
        if self.study is not None:
            check_study(self.study)
        if self.study is None and needed == 2 and len(runs) == 1:
            given, other = ("a", "b") if self.a else ("b", "a")
            raise ConfigError(other, None, f"{given}=RUN needs {other}=RUN: a barrier is of two")
        if len(runs) != (needed if self.study is None else 0):
            names = "a=RUN" if needed == 1 else "a=RUN b=RUN"
            raise ConfigError("study", self.study, f"give either study=NAME or {names}")


@dataclass
class SharpnessConfig:
    """Which networks to look at, which curvature of them, and how exactly."""

    study: str | None = None
    """All completed runs of this study; or one by `run`."""
    root: str = "multirun"
    run: str | None = None
    """A run's folder (`.../seed=0`)."""
    only: FilterConfig = field(default_factory=FilterConfig)
    along: str = "runs"
    """runs: at the end of each; trajectory: at all weights kept in training."""
    quantities: Any = field(default_factory=lambda: ["eigenvalues", "trace"])
    """Any of eigenvalues, trace, density, random_ascent, worst_case."""
    subspaces: Any = field(default_factory=lambda: ["own", "ambient"])
    """Any of own, ambient, complement, random."""
    scalings: Any = field(default_factory=lambda: ["none", "filter"])
    """Any of none, filter, elementwise."""
    k: int = 5
    """Eigenvalues, largest in size."""
    tolerance: float = 1e-3
    """Of the eigenvalues' relative residuals."""
    max_products: int = 200
    """After which eigenvalues stop, not converged."""
    trace_products: int = 99
    images: int = 4096
    """Training images, clean, that the loss is the mean over; the same ones always."""
    bn_images: int = 10_000
    """Training images, clean, for the BatchNorm statistics."""
    micro_batch: int | None = None
    """Images at once; null: 256, halved where a GPU's memory is too small."""
    epsilons: list[float] = field(default_factory=lambda: [1e-6, 1e-5, 1e-4, 1e-3, 1e-2, 1e-1])
    """Of `random_ascent`."""
    draws: int = 25
    """Directions of `random_ascent`."""
    radii: list[float] = field(default_factory=lambda: [0.05, 0.5])
    """Of `worst_case`."""
    seed: int = 0
    """Of start vectors, test vectors, directions and random subspaces."""
    accelerator: str = "auto"
    precision: str = "float32"
    """float32 or float64."""
    force: bool = False
    """Compute again what is there."""
    shard: int | None = None
    """Make only this share of the runs, 0 to `shards` - 1: `-m shards=4 shard=0,1,2,3`."""
    shards: int | None = None
    """Into how many shares the runs are cut."""
    data: PlaceConfig = field(default_factory=PlaceConfig)
    logger: LoggerConfig = field(default_factory=LoggerConfig)

    def __post_init__(self) -> None:
        if self.study is not None:
            check_study(self.study)
        if (self.study is None) == (self.run is None):
            raise ConfigError("study", self.study, "give either study=NAME or run=RUN")
        check_choice("along", self.along, ("runs", "trajectory"))
        for key, choices in SHARPNESS_CHOICES.items():
            setattr(self, key, list(dict.fromkeys(_listed(key, getattr(self, key), choices) or [])))
            if not getattr(self, key):
                raise ConfigError(key, "[]", f"at least one of {', '.join(choices)}")
        for key in ("k", "max_products", "images", "bn_images", "draws"):
            check_number(key, getattr(self, key), at_least=1)
        check_number("trace_products", self.trace_products, at_least=9)
        check_number("tolerance", self.tolerance, above=0, below=1)
        check_number("seed", self.seed, at_least=0)
        if self.micro_batch is not None:
            check_number("micro_batch", self.micro_batch, at_least=1)
        for key in ("epsilons", "radii"):
            for value in getattr(self, key):
                check_number(key, value, above=0)
        check_choice("accelerator", self.accelerator, ("auto", "cpu", "gpu"))
        check_choice("precision", self.precision, ("float32", "float64"))
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


def _listed(key: str, value: object, choices: tuple[str, ...]) -> list[str] | None:
    """Return one name or a list of names as a list, each checked; null stays null."""
    if value is None:
        return None
    names = [str(name) for name in value] if isinstance(value, list | tuple) else [str(value)]
    for name in names:
        check_choice(key, name, choices)
    return names
