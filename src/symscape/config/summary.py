"""The config of `summary.py`."""

from __future__ import annotations

from dataclasses import dataclass

from symscape.config.shared import check_study


@dataclass
class SummaryConfig:
    """Which study to show."""

    study: str = "default"
    root: str = "multirun"

    def __post_init__(self) -> None:
        check_study(self.study)
