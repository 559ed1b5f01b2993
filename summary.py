"""Show the runs of a study as a table: `python summary.py study=quickstart`."""

import symscape.early  # noqa: F401

# isort: split
import hydra
from omegaconf import DictConfig

from symscape.config.report import SummaryConfig
from symscape.door import call_job, register_schemas, run_door

register_schemas()


@hydra.main(version_base="1.3", config_path="cfg", config_name="summary")
def main(config: DictConfig) -> None:
    """Print the table."""
    from symscape.jobs.summary.job import summarise

    call_job(summarise, config, SummaryConfig)


if __name__ == "__main__":
    run_door(main, SummaryConfig)
