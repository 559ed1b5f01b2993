"""The report job: what was found in a study, on one page, with a verdict for each claim."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

import yaml
from rich import box
from rich.table import Table

from symscape.config.report import ClaimConfig, ReportConfig, read_claims
from symscape.errors import ConfigError, SymscapeError
from symscape.jobs.analysis.listing import writing_tables
from symscape.jobs.console import console
from symscape.jobs.report.groups import Subject
from symscape.jobs.report.observations import Study
from symscape.jobs.report.page import page_of
from symscape.jobs.report.tables import least_runs
from symscape.jobs.report.verdicts import Decision, agreement, decisions_of, headline
from symscape.jobs.summary.means import summarised
from symscape.plots.page.render import render
from symscape.runs.configs import yaml_reason
from symscape.runs.files import write_text
from symscape.runs.tables import write_rows


def report(config: ReportConfig) -> Path:
    """Write `report.html` and `verdicts.csv` of a study; return the path of the page.

    Raises:
        SymscapeError: there is no such study, or a file is damaged or cannot be written.
    """
    claims = claims_of(config)
    root = Path(config.root)
    kinds, _ = summarised(root, config.study)
    completed = [run for kind in kinds for run in kind.runs if run.state == "completed"]
    if not completed:
        raise SymscapeError(f"study={config.study}: no completed run: nothing to report")
    study = Study(root / config.study, [Subject(run) for run in completed])
    with writing_tables(study.place):
        decisions = decisions_of(study, claims)
        rows = [each.as_row() for each in decisions]
        if rows:
            write_rows(study.place / "verdicts.csv", rows)
        path = study.place / "report.html"
        write_text(path, render(page_of(study, kinds, decisions)))
    if decisions:
        console.print(_verdicts(decisions))
    console.print(str(path), markup=False)
    if config.logger.name == "wandb":
        from symscape.training.loggers.analysis import send_page

        send_page(config.logger, config.study, path, rows, study.place)
    return path


def claims_of(config: ReportConfig) -> list[ClaimConfig]:
    """Return the claims of a config, or of the file that it names.

    Raises:
        SymscapeError: the file is not there or no YAML, or a claim in it is wrong.
    """
    if not isinstance(config.claims, str):
        return read_claims(config.claims)
    try:
        entries = yaml.safe_load(Path(config.claims).read_text(encoding="utf-8"))
    except (OSError, ValueError, yaml.YAMLError) as error:
        said = f"cannot be read: {yaml_reason(error)}"
        raise ConfigError("claims", config.claims, said) from error
    return read_claims(
        entries["claims"] if isinstance(entries, dict) and "claims" in entries else entries
    )


def _verdicts(decisions: Sequence[Decision]) -> Table:
    """Return a row a claim: what all definitions together say, and how many of them say it."""
    title = "claims: decided where every definition says so; n: runs of the smallest kind"
    table = Table(title=title, title_justify="left", box=box.SIMPLE_HEAD, pad_edge=False)
    for name in ("claim", "verdict", "agree", "n", "says"):
        table.add_column(name, overflow="fold")
    for name in dict.fromkeys(decision.name for decision in decisions):
        own = [decision for decision in decisions if decision.name == name]
        cells = (name, headline(own), agreement(own), str(least_runs(own)), own[0].claim.text)
        table.add_row(*cells)
    return table
