"""Show what was found in a study, on one page: `python report.py study=quickstart`."""

import symscape.early  # noqa: F401

# isort: split
import hydra
from omegaconf import DictConfig

from symscape.config.report import ReportConfig
from symscape.door import call_job, register_schemas, run_door

register_schemas()


@hydra.main(version_base="1.3", config_path="cfg", config_name="report")
def main(config: DictConfig) -> None:
    """Write the page."""
    from symscape.jobs.report.job import report

    call_job(report, config, ReportConfig)


if __name__ == "__main__":
    run_door(main, ReportConfig)
