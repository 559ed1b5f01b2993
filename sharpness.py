"""Curvature of trained networks: `python sharpness.py study=kernels`."""

import symscape.early  # noqa: F401

# isort: split
import hydra
from omegaconf import DictConfig

from symscape.config.sharpness import SharpnessConfig
from symscape.door import call_job, register_schemas, run_door

register_schemas()


@hydra.main(version_base="1.3", config_path="cfg", config_name="sharpness")
def main(config: DictConfig) -> None:
    """Measure what the config describes."""
    from symscape.jobs.sharpness.job import sharpness

    call_job(sharpness, config, SharpnessConfig)


if __name__ == "__main__":
    run_door(main, SharpnessConfig)
