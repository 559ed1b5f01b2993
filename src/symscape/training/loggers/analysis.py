"""An analysis on Weights & Biases: its tables, pictures, and links to the runs behind it."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

from symscape.config.shared import LoggerConfig
from symscape.errors import SymscapeError
from symscape.runs.subjects import Reference
from symscape.training.loggers.ending import end_record

if TYPE_CHECKING:
    import wandb


@dataclass(frozen=True)
class Report:
    """What a dashboard shows of an analysis."""

    job_type: str
    name: str
    study: str
    settings: Mapping[str, Any]
    rows: Sequence[Mapping[str, Any]]
    """A row a result, all with the same columns."""
    subjects: Sequence[Sequence[Reference]]
    """The runs or networks that each row is about."""
    figures: Mapping[str, float]
    pictures: Sequence[Path]


def send(logger: LoggerConfig, report: Report, folder: Path) -> None:
    """Send a report to W&B.

    Args:
        logger: where to.
        report: what.
        folder: for the records of `logger.mode=offline`.

    Raises:
        SymscapeError: W&B cannot be reached; all results are on disk nevertheless.
    """
    import wandb

    about = report.job_type, report.study, report.name, report.settings
    with _record(logger, *about, folder) as run:
        base = str(run.url).rsplit("/", 1)[0] if logger.mode == "online" else "runs"
        columns: list[str | int] = [*report.rows[0], "runs"]
        rows = [
            [*row.values(), ", ".join(_link(base, each) for each in subjects)]
            for row, subjects in zip(report.rows, report.subjects, strict=True)
        ]
        run.log({"results": wandb.Table(columns=columns, data=rows)})
        run.log({f"pictures/{path.stem}": wandb.Image(str(path)) for path in report.pictures})
        run.summary.update(dict(report.figures))


def send_page(
    logger: LoggerConfig, study: str, page: Path, rows: Sequence[Mapping[str, Any]], folder: Path
) -> None:
    """Send the page of a study to W&B as an artifact, its verdicts as a table.

    Args:
        logger: where to.
        study: which one.
        page: the HTML file.
        rows: a row a verdict, all with the same columns; none where no claim was made.
        folder: for the records of `logger.mode=offline`.

    Raises:
        SymscapeError: W&B cannot be reached; the page is on disk nevertheless.
    """
    import wandb

    with _record(logger, "report", study, "report", {}, folder) as run:
        if rows:
            columns: list[str | int] = list(rows[0])
            data = [[str(v) for v in row.values()] for row in rows]
            run.log({"verdicts": wandb.Table(columns=columns, data=data)})
        artifact = wandb.Artifact(f"{study}-report", type="report")
        artifact.add_file(str(page))
        run.log_artifact(artifact)


@contextmanager
def _record(
    logger: LoggerConfig,
    job_type: str,
    study: str,
    name: str,
    settings: Mapping[str, Any],
    folder: Path,
) -> Iterator[wandb.Run]:
    """Yield a record, and end it whatever happens."""
    import wandb

    try:
        run = wandb.init(
            project=logger.project,
            entity=logger.entity,
            mode=logger.mode,  # type: ignore[arg-type]
            job_type=job_type,
            group=study,
            name=name,
            tags=[study, *logger.tags],
            config=dict(settings),
            dir=str(folder),
            settings=wandb.Settings(console="off", silent=True, init_timeout=60),
        )
    except (wandb.errors.Error, OSError) as error:
        reason = str(error).splitlines()[0] if str(error) else type(error).__name__
        raise SymscapeError(f"logger=wandb: {reason} Or take logger.mode=offline.") from error
    try:
        yield run
    except BaseException:
        end_record(run, 1)
        raise
    end_record(run)


def _link(base: str, reference: Reference) -> str:
    """Return the address of a run on the same dashboard; its name where it was logged nowhere."""
    return f"{base}/{reference.wandb_id}" if reference.wandb_id else reference.label
