"""The config of `interpolate.py`."""

from __future__ import annotations

import re
from dataclasses import dataclass
from typing import Any

from symscape.config.analysis import AnalysisConfig, listed
from symscape.errors import ConfigError, SymscapeError, check_choice, check_number

TRANSFORMS = ("hflip", "vflip", "rot90", "rot180", "rot270")
ALIGNMENTS = ("none", "activations", "weights", "best")
BN_POLICIES = ("reset", "lerp", "none", "repair")
PAIRS = ("all", "within", "cross")
PATHS = ("line", "quadratic", "polygon")


@dataclass
class InterpolateConfig(AnalysisConfig):
    """Which networks to connect, how, and on which images to look at the line between them."""

    a: str | None = None
    """A run's folder (`.../seed=0`): with `b` in place of a study, or alone for its trajectory.
    Of `network`: a .safetensors or .pth file, or pretrained (its library downloads them)."""
    b: str | None = None
    """As `a`."""
    at: str = "final"
    """final; loss:NUMBER: of each run, the first weights kept in training whose train loss is at or
    below it: runs at equal fit."""
    along: str = "pairs"
    """pairs: the line between two runs; trajectory: the path of the training of each run."""
    pairs: str = "all"
    """all; within: two seeds of the same settings; cross: different settings."""
    pairs_per_cell: int | None = None
    """At most so many of the pairs of each two settings, chosen by a hash; null: all of them."""
    align: str = "none"
    """none, activations, weights; best: the lower barrier (train loss, chord) of the last two."""
    path: str = "line"
    """line; quadratic: a Bezier curve; polygon: two lines; both with a middle trained so that the
    loss along them is low, within the symmetry where both runs have one."""
    path_epochs: int = 30
    """Passes over the training images that train the middle of a path."""
    path_lr: float = 0.05
    """Learning rate that its training starts with; it falls to 0 along half a cosine."""
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

    def __post_init__(self) -> None:
        super().__post_init__()
        self._check_subject()
        check_choice("along", self.along, ("pairs", "trajectory"))
        self._check_at()
        check_choice("pairs", self.pairs, PAIRS)
        if self.pairs_per_cell is not None:
            check_number("pairs_per_cell", self.pairs_per_cell, at_least=1)
        check_choice("align", self.align, ALIGNMENTS)
        check_choice("bn", self.bn, BN_POLICIES)
        self._check_path()
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
        transform = None if self.transform == "none" else self.transform
        self.transform = listed("transform", transform, TRANSFORMS) or []

    def _check_path(self) -> None:
        check_choice("path", self.path, PATHS)
        check_number("path_epochs", self.path_epochs, at_least=1)
        check_number("path_lr", self.path_lr, above=0)
        if self.path != "line" and (self.along != "pairs" or self.bn != "reset"):
            raise ConfigError(
                "path", self.path, "takes along=pairs and bn=reset: no end has its statistics"
            )

    @property
    def level(self) -> float | None:
        """The train loss of `at=loss:NUMBER`; None at the end of training."""
        return None if self.at == "final" else float(self.at.removeprefix("loss:"))

    def _check_at(self) -> None:
        if self.at == "final":
            return
        number = re.fullmatch(r"loss:(\d*\.?\d+(e-?\d+)?)", self.at)
        if number is None or not float(number[1]):
            raise ConfigError("at", self.at, "allowed are final, loss:NUMBER (nats, > 0)")
        if self.along == "trajectory" or self.network is not None:
            what = "a path" if self.along == "trajectory" else "a file"
            raise ConfigError("at", self.at, f"{what} takes final")

    def _check_subject(self) -> None:
        if self.network is not None:
            self._check_network()
            return
        runs = [run for run in (self.a, self.b) if run is not None]
        needed = 1 if self.along == "trajectory" else 2
        if self.study is None and needed == 2 and len(runs) == 1:
            given, other = ("a", "b") if self.a else ("b", "a")
            raise ConfigError(
                other, "", f"missing; {given}=RUN needs {other}=RUN: a barrier is of two"
            )
        if len(runs) != (needed if self.study is None else 0):
            names = "a=RUN" if needed == 1 else "a=RUN b=RUN"
            raise ConfigError("study", self.study, f"give either study=NAME or {names}")

    def _check_network(self) -> None:
        """Check what has no meaning for two files of weights."""
        if self.study is not None:
            said = f"study={self.study} network={self.network}"
            raise SymscapeError(f"{said}: give one of study=NAME, a=RUN b=RUN, network=NAME")
        for key, other in (("a", "b"), ("b", "a")):
            if getattr(self, key) is None:
                said = f"missing; network=NAME needs two files: {other}=FILE {key}=FILE"
                raise ConfigError(key, "", said)
        if self.a == self.b:
            raise ConfigError("a", f"b={self.a}", "a network has no barrier to itself")
        if self.along == "trajectory":
            raise ConfigError("along", self.along, "needs study=NAME or a=RUN: files are two ends")
        if self.path != "line":
            said = "needs study=NAME: nobody says how a network's files were trained"
            raise ConfigError("path", self.path, said)
        if self.pairs != "all" or self.pairs_per_cell is not None:
            key = "pairs" if self.pairs != "all" else "pairs_per_cell"
            raise ConfigError(key, getattr(self, key), "needs study=NAME; two files are one pair")
        self.check_images()
