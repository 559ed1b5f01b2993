"""Errors that a user can mend: one line that names the key, the value and what is allowed."""

from __future__ import annotations

from collections.abc import Iterable
from difflib import get_close_matches


class SymscapeError(Exception):
    """A mistake or a circumstance outside the program; the doors print it as one line."""


class ConfigError(SymscapeError):
    """A setting that cannot be used."""

    def __init__(self, key: str, value: object, allowed: str) -> None:
        super().__init__(f"{key}={'null' if value is None else value}: {allowed}")


def did_you_mean(name: str, names: Iterable[str]) -> str:
    """Return `did you mean 'x'? ` for the nearest of `names`, or nothing where none is near."""
    names = list(names)
    # What no edit distance finds: that learning_rate is lr, and that aling is align, not along.
    initials = "".join(word[0] for word in name.split("_") if word) if "_" in name else ""
    twisted = [each for each in names if sorted(each) == sorted(name)]
    near = [initials] if initials in names else twisted
    near = near or get_close_matches(name, names, n=1, cutoff=0.6)
    return f"did you mean '{near[0]}'? " if near else ""


def check_choice(key: str, value: object, choices: Iterable[str]) -> None:
    """Raise ConfigError unless `value` is one of `choices`; the nearest of them is proposed."""
    choices = tuple(choices)
    if value not in choices:
        near = did_you_mean(str(value), choices)
        raise ConfigError(key, value, f"{near}allowed are {', '.join(choices)}")


def check_number(
    key: str,
    value: float,
    *,
    above: float | None = None,
    at_least: float | None = None,
    below: float | None = None,
    at_most: float | None = None,
) -> None:
    """Raise ConfigError unless `value` is a finite number within the bounds."""
    bounds = {">": above, ">=": at_least, "<": below, "<=": at_most}
    inside = (
        value == value
        and abs(value) != float("inf")
        and (above is None or value > above)
        and (at_least is None or value >= at_least)
        and (below is None or value < below)
        and (at_most is None or value <= at_most)
    )
    if not inside:
        limits = " and ".join(
            f"{sign} {bound}" for sign, bound in bounds.items() if bound is not None
        )
        raise ConfigError(key, value, f"must be a finite number{' ' + limits if limits else ''}")
