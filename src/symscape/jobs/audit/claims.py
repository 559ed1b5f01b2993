"""Claims that the runs of a study can prove wrong, each with what is measured and a verdict.

A claim is decided by an interval of 95 % over runs: supported if all of it says so, not supported
if none of it does, else undecided. So is one whose runs all give the same number, for they say
nothing of their spread, and a correlation that a permutation test calls chance.
"""

from __future__ import annotations

import math
from collections import defaultdict
from collections.abc import Callable, Iterator, Mapping, Sequence
from typing import TypeVar

from symscape.audit.correlation import correlation_within, verdict
from symscape.jobs.analysis.claim import Claim, decided
from symscape.jobs.audit.numbers import mean_of, numbers_of
from symscape.landscape.intervals import mean_interval
from symscape.runs.results import AuditResult
from symscape.runs.subjects import RunReference

CHANCE = 0.05
"""The share of layers whose twin beats chance at 5 % by chance."""
SYMMETRIES = ("S/final", "twin/final", "S_strided/final", "skew")
ANSWERS = ("agreement/shift", "agreement/hflip", "agreement/rot90")
PLAIN = {"padding": "zeros", "downsample": "stride"}


def claims_of(results: Sequence[AuditResult], labels: Mapping[str, str]) -> list[Claim]:
    """Return the claims that two runs or more say something about.

    Args:
        results: of a study.
        labels: what to call kinds of runs, by name.
    """
    runs = [r for r in results if isinstance(r.subject, RunReference) and r.kernels]
    claims = [*_twins(runs, labels), *_sizes(runs), *_mitigations(runs), *_correlations(runs)]
    return [claim for claim in claims if claim.n > 1]


def _mean(text: str, quantity: str, values: Sequence[float], above: float = 0.0) -> Claim:
    return decided(text, quantity, mean_interval(values), above=above)


def _numbers(results: Sequence[AuditResult], name: str) -> list[float]:
    return [number_of(result, name) for result in results]


def number_of(result: AuditResult, name: str) -> float:
    """Return a number of a run; `skew`: how far its strided layers lean, up and left together."""
    numbers = numbers_of(result)
    if name == "skew":
        axes = (numbers.get(f"skew_{a}_strided/final", math.nan) for a in ("rows", "columns"))
        return -sum(axes) / 2
    return numbers.get(name, math.nan)


def _twins(results: Sequence[AuditResult], labels: Mapping[str, str]) -> Iterator[Claim]:
    """Training makes the shape of mean kernels symmetric: more often than chance alone."""
    kinds = _grouped([r for r in results if _symmetry(r) == "vanilla"], _name)
    for name, members in kinds.items():
        shares = [v for v in _numbers(members, "twin_beats_chance/final") if math.isfinite(v)]
        if shares:
            text = f"{labels[name]}: shapes of mean kernels beat chance in more than 5 % of layers"
            yield _mean(text, "share of layers", shares, above=CHANCE)


def _sizes(results: Sequence[AuditResult]) -> Iterator[Claim]:
    """Uneven padding makes strided kernels lean: 36 pixels against 37, at equal seeds."""
    of_size = _grouped(
        [r for r in results if _settings(r, PLAIN)], lambda r: r.about["input_size"][0]
    )
    pairs = list(_matched(of_size.get(36, []), of_size.get(37, []), any_size=True))
    differences = [number_of(a, "skew") - number_of(b, "skew") for a, b in pairs]
    if differences:
        text = "strided kernels lean further up and left at 36 pixels (uneven) than at 37 (even)"
        yield _mean(text, "difference of skew", differences)


def _mitigations(results: Sequence[AuditResult]) -> Iterator[Claim]:
    """Training with a mitigation makes the kernels of strided layers more symmetric."""
    groups = _grouped(results, lambda r: tuple(r.about.get(k, "") for k in (*PLAIN, "blur")))
    plain = [r for r in results if _settings(r, PLAIN)]
    for (padding, downsample, blur), members in groups.items():
        if (padding, downsample) == tuple(PLAIN.values()):
            continue
        values = [_rise(a, b) for a, b in _matched(plain, members)]
        if values := [v for v in values if math.isfinite(v)]:
            name = f"{padding}, {downsample}{f' {blur}' if blur else ''}"
            text = f"{name}: S rises in the layers that are strided in plain networks"
            yield _mean(text, "difference of S", values)


def _rise(plain: AuditResult, other: AuditResult) -> float:
    """Return by how much S is larger in the layers that are strided in the plain network."""
    strided = {e["layer"] for e in plain.kernels["final"] if max(e["stride"]) > 1}
    before, after = (
        mean_of([e["score"] for e in r.kernels["final"] if e["layer"] in strided])
        for r in (plain, other)
    )
    return after - before


def _correlations(results: Sequence[AuditResult]) -> Iterator[Claim]:
    """More symmetric kernels go with more consistent answers, among runs of equal settings."""
    measured = [r for r in results if r.consistency is not None]
    strata = [_name(r) for r in measured]
    if len(set(strata)) == len(strata):
        return
    for symmetry in SYMMETRIES:
        for answers in ANSWERS:
            x, y = (_numbers(measured, name) for name in (symmetry, answers))
            found = correlation_within(x, y, strata)
            chance = not found.p < CHANCE
            said = "undecided" if chance else verdict(found.low, found.high, two_sided=True)
            yield Claim(
                f"{symmetry.removesuffix('/final')} goes with {answers} among equal settings",
                "rank correlation",
                found.r,
                found.low,
                found.high,
                found.runs,
                said,
                f"p {found.p:.3g}, {found.strata} strata. {found.reason}".strip(),
            )


def _symmetry(result: AuditResult) -> str:
    assert isinstance(result.subject, RunReference)
    return result.subject.symmetry


def _name(result: AuditResult) -> str:
    assert isinstance(result.subject, RunReference)
    return result.subject.name


def _settings(result: AuditResult, wanted: Mapping[str, str]) -> bool:
    return all(result.about.get(key) == value for key, value in wanted.items())


Key = TypeVar("Key")


def _grouped(
    results: Sequence[AuditResult], key: Callable[[AuditResult], Key]
) -> dict[Key, list[AuditResult]]:
    groups: dict[Key, list[AuditResult]] = defaultdict(list)
    for result in results:
        groups[key(result)].append(result)
    return groups


def _matched(
    first: Sequence[AuditResult], second: Sequence[AuditResult], *, any_size: bool = False
) -> Iterator[tuple[AuditResult, AuditResult]]:
    """Yield pairs that share the seed and all else that is noted but what they are grouped by."""

    def key(result: AuditResult) -> tuple[str, ...]:
        subject = result.subject
        assert isinstance(subject, RunReference)
        size = "" if any_size else str(result.about.get("input_size"))
        return (str(subject.seed), subject.symmetry, subject.augment, subject.model, size)

    others = {key(result): result for result in second}
    for result in first:
        if (other := others.get(key(result))) is not None:
            yield result, other
