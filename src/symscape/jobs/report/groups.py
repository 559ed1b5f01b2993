"""Which runs a claim compares: those that are equal in all settings but the ones it names."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property
from typing import Any

from symscape.config.report import ClaimConfig, Group
from symscape.runs.find import Run
from symscape.runs.identity import identity, kind

OF_RANDOM = ("symmetry.name", "symmetry.like", "symmetry.seed")
"""Settings that say which kernels a symmetry leaves, and not how they are stored or start."""


@dataclass(frozen=True, eq=False)
class Subject:
    """A completed run of the study, as claims see it."""

    run: Run

    @property
    def key(self) -> tuple[str, int]:
        """The name of its kind, and its seed."""
        return self.run.manifest.name, self.run.config.seed

    @cached_property
    def settings(self) -> dict[str, str]:
        """What is not at its default, as text."""
        tree = identity(self.run.config, self.run.manifest.data.get("content", ""))
        return {key: str(value) for key, value in tree.items()}

    def setting(self, key: str) -> str:
        """Return a setting by its dotted name; a network on a group is named by both its parts."""
        if key == "symmetry.name":
            return kind(self.run.config)
        value: Any = self.run.config
        for part in key.split("."):
            value = getattr(value, part)
        return str(value)

    def fits(self, wanted: Mapping[str, Sequence[Any]]) -> bool:
        """Whether each setting has one of the values wanted."""
        return all(self.setting(k) in map(str, values) for k, values in wanted.items())


@dataclass(frozen=True)
class Stratum:
    """Runs that can be compared, and by what they differ from other such runs of the study."""

    about: str
    subjects: list[Subject]

    def kinds(self, wanted: Mapping[str, Sequence[Any]]) -> list[str]:
        """Return the names of the kinds that fit, in order."""
        return list(dict.fromkeys(s.key[0] for s in self.subjects if s.fits(wanted)))

    def runs(self, name: str) -> list[tuple[str, int]]:
        """Return the runs of a kind."""
        return [s.key for s in self.subjects if s.key[0] == name]


def strata_of(claim: ClaimConfig, subjects: Sequence[Subject]) -> list[Stratum]:
    """Return the sets of runs in which a claim compares like with like.

    Vanilla kernels are stored in one way only: they belong to the runs of tied, projected and
    penalised kernels alike.
    """
    free = {key for group in claim.groups for key in group.keys}
    fitting = [s for s in subjects if any(_fits(s, group) for group in claim.groups)]
    rests = [_rest(subject, free) for subject in fitting]
    found = []
    for shared in dict.fromkeys(shared for shared, _ in rests):
        forms = list(dict.fromkeys(form for each, form in rests if each == shared and form))
        for form in forms or [()]:
            members = [
                s
                for s, (each, own) in zip(fitting, rests, strict=True)
                if each == shared and own in (form, ())
            ]
            found.append((dict(shared) | dict(form), members))
    common = set.intersection(*(set(about.items()) for about, _ in found)) if found else set()
    return [
        Stratum(" ".join(f"{k}={v}" for k, v in sorted(about.items() - common)), members)
        for about, members in found
    ]


def _fits(subject: Subject, group: Group) -> bool:
    return subject.fits(group.of) or (group.to is not None and subject.fits(group.to))


Items = tuple[tuple[str, str], ...]


def _rest(subject: Subject, free: set[str]) -> tuple[Items, Items]:
    """Return the settings that a claim does not name; apart, how a symmetry's kernels are kept."""
    items = sorted((k, v) for k, v in subject.settings.items() if k not in free)
    if "symmetry.name" not in free:
        return tuple(items), ()
    items = [(k, v) for k, v in items if k not in OF_RANDOM]
    shared = tuple(item for item in items if not item[0].startswith("symmetry."))
    return shared, tuple(item for item in items if item[0].startswith("symmetry."))


def missing_of(claim: ClaimConfig, stratum: Stratum) -> Iterator[str]:
    """Yield what groups of a claim have no runs in a stratum."""
    for group in claim.groups:
        for side in (group.of, group.to):
            if side is not None and not stratum.kinds(side):
                yield str(Group(side))
