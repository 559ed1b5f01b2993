"""Each claim decided: by every definition, in every set of runs that can be compared."""

from __future__ import annotations

import math
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from itertools import product
from pathlib import Path

from symscape.config.report import ClaimConfig, Group
from symscape.jobs.analysis.claim import NO_SPREAD, Claim, decided
from symscape.jobs.report.contrasts import (
    MOST_RUNS,
    Cell,
    contrast_of_means,
    contrast_of_pairs,
    runs_needed,
)
from symscape.jobs.report.groups import Stratum, missing_of, strata_of
from symscape.jobs.report.observations import Numbers, Study, command_for, observed
from symscape.landscape.intervals import Interval
from symscape.runs.tables import Row

WORDS = {"not supported": "contradicted"}
"""A claim of rising whose whole interval falls is more than not supported."""
TRAINING = "training them, with the other settings of the study"
NOTHING = Interval(math.nan, None, None, 0)


@dataclass(frozen=True)
class Decision:
    """A claim by one definition."""

    name: str
    claim: Claim
    definition: str
    about: str
    """Which runs it is about, where the study has several sets that can be compared."""
    decides: str
    """What would decide it."""
    file: Path | None
    command: str

    def as_row(self) -> Row:
        """Return it as a row of a table."""
        row = dict(self.claim.as_row())
        own = {"definition": self.definition, "about": self.about, "decides": self.decides}
        return {"name": self.name, **row, **own, "command": self.command}


def decisions_of(study: Study, claims: Sequence[ClaimConfig]) -> list[Decision]:
    """Return every claim by every definition that there are numbers of; at least one each."""
    return [decision for claim in claims for decision in _decisions(study, claim)]


def headline(decisions: Sequence[Decision]) -> str:
    """Return what all definitions together say: decided if all of them say the same."""
    said = {decision.claim.verdict for decision in decisions}
    return said.pop() if len(said) == 1 else "undecided"


def agreement(decisions: Sequence[Decision]) -> str:
    """Return how many definitions say what all together say; that nothing was measured, if so.

    Or that kinds of runs are missing, of which there is no command that measures them.
    """
    if not any(decision.file for decision in decisions):
        return "not measured" if any(each.command for each in decisions) else "no such runs"
    said = headline(decisions)
    agree = sum(decision.claim.verdict == said for decision in decisions)
    return f"{agree} of {len(decisions)}"


def _decisions(study: Study, claim: ClaimConfig) -> Iterator[Decision]:
    strata = strata_of(claim, study.subjects)
    whole = [s for s in strata if not any(missing_of(claim, s))]
    if not whole:
        least = min((list(missing_of(claim, s)) for s in strata), key=len, default=None)
        lack = dict.fromkeys(least if least is not None else map(str, claim.groups))
        yield _undecided(
            claim,
            f"no runs of {'; '.join(lack)}",
            "training them, with the other settings of the study",
            "",
        )
        return
    numbers = observed(study, claim)
    if not numbers:
        yield _undecided(claim, "not measured", command := command_for(study, claim), command)
    for stratum, each in product(whole, numbers):
        yield _decision(claim, stratum, each)
    if claim.quantity == "barrier" and numbers:
        yield from _aligned_otherwise(study, claim, numbers)


def _aligned_otherwise(
    study: Study, claim: ClaimConfig, numbers: Sequence[Numbers]
) -> Iterator[Decision]:
    """Yield the alignments that a claim asks for and that were not measured."""
    for align in claim.align:
        if not any(f"align={align}" in each.definition.split(", ") for each in numbers):
            command = command_for(study, _with_align(claim, align))
            said = f"{', '.join(claim.definition)}, align={align}"
            yield _undecided(claim, "not measured", command, command, said)


def _with_align(claim: ClaimConfig, align: str) -> ClaimConfig:
    return ClaimConfig(**{**vars(claim), "align": [align]})


def _undecided(
    claim: ClaimConfig, note: str, decides: str, command: str, definition: str = ""
) -> Decision:
    found = decided(claim.text, claim.quantity, NOTHING)
    said = Claim(**{**vars(found), "note": note})
    definition = definition or ", ".join(claim.definition)
    return Decision(claim.name, said, definition, "", decides, None, command)


def _decision(claim: ClaimConfig, stratum: Stratum, numbers: Numbers) -> Decision:
    found = _contrast(claim, stratum, numbers)
    made = decided(claim.text, claim.quantity, found, falling=claim.direction == "falling")
    note = "; ".join(filter(None, (made.note, numbers.note)))
    said = Claim(**{**vars(made), "verdict": WORDS.get(made.verdict, made.verdict), "note": note})
    return Decision(
        claim.name,
        said,
        numbers.definition,
        stratum.about,
        _what_decides(said, found),
        numbers.file,
        numbers.command,
    )


def _contrast(claim: ClaimConfig, stratum: Stratum, numbers: Numbers) -> Interval:
    if claim.quantity == "barrier":
        cells = [_cells(group, stratum, numbers) for group in claim.groups]
        return contrast_of_pairs(cells) if all(cells) else NOTHING
    kinds = [_kinds(group, stratum, numbers) for group in claim.groups]
    return contrast_of_means(kinds) if all(kinds) else NOTHING


def _kinds(group: Group, stratum: Stratum, numbers: Numbers) -> list[list[float]]:
    """Return the numbers of each kind of a group that was measured."""
    kinds = [
        [numbers.runs[run] for run in stratum.runs(name) if run in numbers.runs]
        for name in stratum.kinds(group.of)
    ]
    return [values for values in kinds if values]


def _cells(group: Group, stratum: Stratum, numbers: Numbers) -> list[Cell]:
    """Return the pairs of a group that were measured, by their two kinds."""
    assert group.to is not None  # ClaimConfig sees to it.
    ends = product(stratum.kinds(group.of), stratum.kinds(group.to))
    # Where both sides name both kinds, a cell is one all the same.
    kinds = {frozenset((a, b)): (a, b) for a, b in ends}
    cells = [Cell(a, b, _between(a, b, stratum, numbers)) for a, b in kinds.values()]
    return [cell for cell in cells if cell.values]


def _between(
    a: str, b: str, stratum: Stratum, numbers: Numbers
) -> dict[tuple[tuple[str, int], tuple[str, int]], float]:
    found = {}
    for pair in product(stratum.runs(a), stratum.runs(b)):
        value = numbers.pairs.get(pair, numbers.pairs.get(pair[::-1], math.nan))
        if math.isfinite(value) and (a != b or pair[0] < pair[1]):
            found[pair] = value
    return found


def _what_decides(claim: Claim, found: Interval) -> str:
    """Return what would decide a claim that is undecided."""
    if claim.verdict != "undecided":
        return ""
    if found.n == 0:
        return "measuring all groups"
    if found.n < 2:
        return "two runs of each kind at least"
    if NO_SPREAD in claim.note:
        return "runs that differ"
    needed = runs_needed(found)
    if needed is None:
        return f"more than {MOST_RUNS:,} runs a kind, if at all"
    return f"about {needed} runs a kind, should the difference stay"
