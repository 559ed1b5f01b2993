"""Barriers between runs: `python interpolate.py study=kernels align=activations`."""

import symscape.early  # noqa: F401

# isort: split
import hydra
from omegaconf import DictConfig

from symscape.config.interpolate import InterpolateConfig
from symscape.door import call_job, register_schemas, run_door

register_schemas()


@hydra.main(version_base="1.3", config_path="cfg", config_name="interpolate")
def main(config: DictConfig) -> None:
    """Measure what the config describes."""
    from symscape.jobs.interpolate.job import interpolate

    call_job(interpolate, config, InterpolateConfig)


if __name__ == "__main__":
    run_door(main, InterpolateConfig)
