"""The audit job: how symmetric networks are, of a study, of a library, of the user's own."""

from __future__ import annotations

from collections.abc import Sequence
from functools import cached_property
from pathlib import Path
from typing import TYPE_CHECKING, Any

from rich.console import RenderableType

from symscape.config.audit import AuditConfig
from symscape.jobs.analysis.analysis import Analysis, perform
from symscape.jobs.analysis.missing import Task
from symscape.jobs.analysis.progress import Steps
from symscape.jobs.analysis.subjects import select_runs
from symscape.jobs.audit.kinds import in_order, names_of
from symscape.jobs.audit.numbers import numbers_of
from symscape.jobs.audit.specimens import Specimen, specimen_of_network, specimen_of_run
from symscape.jobs.audit.tables import table_of, write_tables
from symscape.jobs.audit.words import lines_of
from symscape.jobs.console import start_logging
from symscape.runs.find import Run
from symscape.runs.results import AuditResult, result_path, settings_hash

if TYPE_CHECKING:
    from symscape.jobs.audit.measure import AuditMeasure


def audit(config: AuditConfig, *, show_only: bool = False) -> None:
    """Audit the runs or the network that `config` names; see `perform`."""
    start_logging()
    runs = [] if config.network else select_runs(config, (config.run,))
    perform(AuditAnalysis(config, runs), show_only=show_only)


class AuditAnalysis(Analysis[AuditResult]):
    """The audit of every run, or of one network."""

    door = "audit"
    kind = AuditResult

    def __init__(self, config: AuditConfig, runs: Sequence[Run]) -> None:
        super().__init__(config, runs)
        self.config = config
        self.measurer: AuditMeasure | None = None

    @cached_property
    def settings(self) -> dict[str, Any]:
        """The settings that a result depends on."""
        config, wanted = self.config, self.config.wanted
        used = {"kernels": (), "padding": (), "invariance": ("seed",)}
        used |= {"consistency": ("images", "shifts", "precision")}
        keys = [key for quantity in wanted for key in used[quantity]]
        settings = {"quantities": wanted, **{key: getattr(config, key) for key in keys}}
        if config.mitigations:
            settings["mitigations"] = config.mitigations
        if config.network:
            settings |= {"seed": config.seed, "input_size": config.input_size}
            settings["content"] = self._content()
            given = {key: getattr(config.data, key) for key in ("mean", "std")}
            settings |= {key: value for key, value in given.items() if value is not None}
        return settings

    def _content(self) -> str:
        """Return what the images of a network show; nothing where there are none."""
        from symscape.data.content import content_key
        from symscape.jobs.analysis.networks import data_config

        return content_key(data_config(self.config.data)) if self.config.data.given else ""

    @property
    def folder(self) -> Path:
        """Where the results go that share these settings."""
        return self.place / settings_hash(self.settings)

    @cached_property
    def specimens(self) -> dict[Path, Specimen]:
        """What is looked at, by the place of its result."""
        if self.config.network:
            each = [specimen_of_network(self.config)]
        else:
            each = [specimen_of_run(run) for run in self.runs]
        return {result_path(self.folder, [s.reference]): s for s in each}

    def tasks(self) -> list[Task]:
        """Return a result a network."""
        return [
            Task(
                (specimen,),
                path,
                self.settings,
                len(self.config.wanted) * (1 + len(self.config.mitigations)),
            )
            for path, specimen in self.specimens.items()
        ]

    def prepare(self, task: Task) -> None:
        """Make what measures; it loads images when it needs them."""
        from symscape.jobs.audit.measure import AuditMeasure

        if self.measurer is None:
            self.measurer = AuditMeasure(self.config, self.hardware)

    def measure(self, task: Task, steps: Steps) -> AuditResult:
        """Audit one network."""
        assert self.measurer is not None  # prepare saw to it
        return self.measurer.measure(self.specimens[task.path], steps)

    def say(self, result: AuditResult) -> str:
        """Return the numbers that stand for the rest."""
        n, names = numbers_of(result), {"S/final": "S", "sites_uneven": "uneven sites"}
        names |= {"defect": "defect", "agreement/hflip": "same under hflip"}
        return ", ".join(f"{said} {n[name]:.3g}" for name, said in names.items() if name in n)

    @property
    def tables(self) -> list[Path]:
        """Means over seeds; a row a layer, a site, a view, as far as they were measured."""
        names = {"kernels": "layers", "padding": "padding", "consistency": "consistency"}
        wanted = [names[q] for q in self.config.wanted if q in names]
        wanted += ["mitigations"] if self.config.mitigations else []
        if self.config.network and not self.config.data.given:
            wanted = [name for name in wanted if name != "consistency"]
        files = [self.folder / f"{name}.csv" for name in ("summary", *wanted)]
        extra = (self.folder / f"{name}.csv" for name in ("claims", "comparisons"))
        return files + [path for path in extra if path.exists()]

    def write_tables(self, results: Sequence[AuditResult]) -> None:
        """Write all of them."""
        write_tables(self.folder, in_order(results))

    def draw(self, results: Sequence[AuditResult]) -> list[Path]:
        """Draw what the tables hold."""
        from symscape.plots.audit.draw import draw_audit

        files = [result_path(self.folder, [result.subject]) for result in in_order(results)]
        return draw_audit(self.folder, files, names_of(results))

    def table(self, results: Sequence[AuditResult]) -> RenderableType:
        """Return what a person reads first: of the network that was asked for, or of the study."""
        asked = {specimen.reference.key for specimen in self.specimens.values()}
        own = [result for result in results if result.subject.key in asked]
        return table_of(own if self.config.network else in_order(results))

    def warnings(self, results: Sequence[AuditResult]) -> list[str]:
        """Return what a mean hides: constant answers, networks that cannot be followed."""
        found = []
        constant = [r.subject.label for r in results if _is_constant(r)]
        if constant:
            some = f"{constant[0]}{f' and {len(constant) - 1} more' if len(constant) > 1 else ''}"
            found.append(f"one answer to everything ({some}): that it is the same says nothing")
        lost = sum(bool((result.padding or {}).get("unknown")) for result in results)
        if lost and not self.config.network:
            found.append(f"{lost} networks cannot be followed to their end: padding.csv")
        return found

    def row(self, result: AuditResult) -> dict[str, Any]:
        """Return a network and its numbers."""
        said = dict(lines_of(result)).get("padding", "")
        return {"network": result.subject.label, **numbers_of(result), "padding": said}


def _is_constant(result: AuditResult) -> bool:
    """Whether a network gives all images, under all views, one class."""
    views = (result.consistency or {}).get("views", {})
    return bool(views) and all(view["kappa"] is None for view in views.values())
