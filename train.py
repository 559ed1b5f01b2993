"""Train a network: `python train.py symmetry=rot90 data.augment=true`."""

import symscape.early  # noqa: F401

# isort: split
import hydra
from omegaconf import DictConfig

from symscape.config.train import TrainConfig
from symscape.door import call_job, register_schemas, run_door

register_schemas()


@hydra.main(version_base="1.3", config_path="cfg", config_name="train")
def main(config: DictConfig) -> float:
    """Train what the config describes; return the test accuracy."""
    from symscape.jobs.train.job import train

    return call_job(train, config, TrainConfig).figures["test/accuracy"]


if __name__ == "__main__":
    run_door(main, TrainConfig)
