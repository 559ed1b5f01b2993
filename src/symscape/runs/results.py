"""Results of analyses on disk: one JSON a pair of subjects, or a subject, that is believed alone.

Results that share their settings share a folder, `multirun/<study>/interpolate/<settings>/`. A file
is named by what it is about and by a hash of the weights: with other weights it is another file.
"""

from __future__ import annotations

import hashlib
import json
import math
from collections.abc import Iterator, Mapping, Sequence
from contextlib import suppress
from dataclasses import asdict, dataclass, field, fields
from pathlib import Path
from typing import Any, ClassVar, TypeVar

from symscape.errors import SymscapeError
from symscape.runs.files import write_text
from symscape.runs.subjects import Reference, RunReference, file_label, read_reference
from symscape.stopping import safe_point

SCHEMA_VERSION = 1
SUBJECTS = {"a", "b", "run", "subject"}
"""Fields of results that say what they are about."""

Curves = dict[str, dict[str, list[float]]]
"""Values at the alphas, by split (train, test, test/<transform>) and metric (loss, error)."""


@dataclass(kw_only=True)
class Result:
    """What every result says of itself."""

    kind: ClassVar[str]
    settings: dict[str, Any] = field(default_factory=dict)
    """What was asked for; the folder's name holds a hash of it."""
    resolved: dict[str, str] = field(default_factory=dict)
    """On what it ran: device, precision."""
    versions: dict[str, str] = field(default_factory=dict)
    git_commit: str = ""
    finished: str = ""
    seconds: float = 0.0
    schema_version: int = SCHEMA_VERSION

    @property
    def subjects(self) -> tuple[Reference, ...]:
        """The runs or networks that the result is about."""
        return tuple(v for v in vars(self).values() if isinstance(v, Reference))


@dataclass(kw_only=True)
class LineResult(Result):
    """Losses on the straight line between two networks."""

    alphas: list[float]
    curves: Curves
    barriers: dict[str, dict[str, dict[str, float]]]
    """By split, metric (loss in nats, error) and definition (chord, midmean, max)."""
    precision_check: dict[str, float]
    """Loss at alpha = 1/2 on a few images in the result's precision and in float32."""


@dataclass(kw_only=True)
class PairResult(LineResult):
    """The line between two networks; alpha = 0 is `a`, 1 is `b` after its alignment."""

    kind: ClassVar[str] = "pair"
    a: Reference
    b: Reference
    alignment: dict[str, Any]


@dataclass(kw_only=True)
class PathResult(PairResult):
    """A path with a trained middle between two runs; its points and the line's are at `alphas`."""

    kind: ClassVar[str] = "path"
    line: dict[str, Any]
    """`curves` and `barriers` of the straight line between the same networks."""
    training: dict[str, Any]
    """What the middle was trained on and how, the coordinates (own: within the symmetry of both
    runs; ambient: of all kernels), and `bend`: how far the middle went from where it started, by
    the distance between the ends."""

    def straight(self) -> PairResult:
        """Return the result of the line."""
        names = [f.name for f in fields(PairResult)]
        return PairResult(**{name: getattr(self, name) for name in names} | self.line)


@dataclass(kw_only=True)
class TrajectoryResult(LineResult):
    """The path of one training, and the line from its initial to its final weights."""

    kind: ClassVar[str] = "trajectory"
    run: RunReference
    rise: dict[str, dict[str, float]]
    """Largest rise of the line above its minimum so far, by split and metric; 0: monotone."""
    steps: list[int]
    path: dict[str, Any]
    """Lengths, angles and principal components: the fields of `landscape.trajectory.Geometry`."""
    plane: dict[str, Any] | None
    """x, y, and the train loss there: loss[row of y][column of x]."""


@dataclass(kw_only=True)
class SharpnessResult(Result):
    """The curvature of a network: at the end of a run, or along its training."""

    kind: ClassVar[str] = "sharpness"
    run: Reference
    """Of a run, or of a network that no run trained."""
    points: list[dict[str, Any]]
    """One point, or one a kept step: step, loss, gradient_norm, weight_norm, learning_rate, memory,
    symmetry (S of the kernels under D4, mean over layers), and `measures`: a list with subspace,
    scaling, dimension and what was measured there."""
    images: dict[str, int]
    batchnorm: str


@dataclass(kw_only=True)
class AuditResult(Result):
    """How symmetric a network is: its kernels, its padding, its answers."""

    kind: ClassVar[str] = "audit"
    subject: Reference
    about: dict[str, Any]
    """weights (where they come from), library, input_size, channels, convolutions."""
    kernels: dict[str, list[dict[str, Any]]]
    """The fields of `audit.kernels.KernelMeasure`, by moment of the training: init, final."""
    padding: dict[str, Any] | None
    """The fields of `audit.balance.Balance`, and `sizes`: the nearest balanced numbers of rows
    below and above, and of columns."""
    invariance: dict[str, Any] | None
    """The fields of `audit.invariance.Defect`, and `exact`."""
    consistency: dict[str, Any] | None
    """The fields of `audit.consistency.Consistency`, and `content`: the hash of its images."""
    left_out: dict[str, str]
    """Quantities that were not measured, and why."""
    mitigations: dict[str, dict[str, Any]] = field(default_factory=dict)
    """What each would change, the network not trained again: padding, invariance, consistency as
    above, input_size, `changed` (modules) and `left` (which stay, and why)."""


AnyResult = TypeVar("AnyResult", bound=Result)


def settings_hash(settings: Mapping[str, Any]) -> str:
    """Return eight hexadecimal digits that name the settings."""
    canonical = json.dumps(settings, sort_keys=True)
    return hashlib.sha256(canonical.encode()).hexdigest()[:8]


def result_path(folder: Path, subjects: Sequence[Reference]) -> Path:
    """Return the one place of a result about these subjects in the folder of its settings."""
    weights = hashlib.sha256("".join(each.weights for each in subjects).encode()).hexdigest()[:8]
    labels = "--".join(map(file_label, subjects))
    return folder / f"{labels}--{weights}.json"


def jsonable(tree: Any) -> Any:
    """Return a tree in which what is not a number is null: JSON knows no nan."""
    if isinstance(tree, dict):
        return {key: jsonable(value) for key, value in tree.items()}
    if isinstance(tree, list | tuple):
        return [jsonable(value) for value in tree]
    return None if isinstance(tree, float) and not math.isfinite(tree) else tree


def write_result(path: Path, result: Result) -> None:
    """Write a result, all or nothing."""
    entries = {"kind": result.kind} | asdict(result)
    write_text(path, json.dumps(entries, indent=1, allow_nan=False) + "\n")


def read_result(path: Path, kind: type[AnyResult]) -> AnyResult:
    """Read a result.

    Raises:
        SymscapeError: the file is missing, damaged, or of a later version.
    """
    try:
        entries = json.loads(path.read_text(encoding="utf-8"))
        if entries["schema_version"] > SCHEMA_VERSION:
            raise SymscapeError(f"{path}: written by a later version of symscape")
        for name in SUBJECTS & entries.keys():
            entries[name] = read_reference(entries[name])
        known = {f.name for f in fields(kind)}
        if entries["kind"] != kind.kind:
            raise ValueError(f"kind={entries['kind']}, not {kind.kind}")
        return kind(**{key: value for key, value in entries.items() if key in known})
    except (ValueError, TypeError, KeyError, OSError) as error:
        raise SymscapeError(f"{path}: damaged, or no result ({error!r})") from error


def is_whole(path: Path, kind: type[AnyResult]) -> bool:
    """Whether there is a result that can be read; a damaged one is to be made anew."""
    if not path.exists():
        return False
    try:
        read_result(path, kind)
    except SymscapeError as error:
        if "later version" in str(error):
            raise
        return False
    return True


def read_results(folder: Path, kind: type[AnyResult]) -> Iterator[AnyResult]:
    """Yield the results of a folder in the order of their names.

    Damaged ones are left out; of several about the same subjects, trained anew, the newest counts.
    """
    newest: dict[frozenset[str], AnyResult] = {}
    for path in sorted(folder.glob("*.json")):
        safe_point()
        with suppress(SymscapeError):
            result = read_result(path, kind)
            about = frozenset(subject.key for subject in result.subjects)
            if about not in newest or newest[about].finished <= result.finished:
                newest[about] = result
    yield from newest.values()
