"""Train a network: `python train.py symmetry=rot90 data.augment=true`."""

import hydra
from omegaconf import DictConfig

from symscape.config import TrainConfig
from symscape.door import register_schemas, run_door, typed

register_schemas()


@hydra.main(version_base="1.3", config_path="cfg", config_name="train")
def main(config: DictConfig) -> float:
    """Train what the config describes; return the validation accuracy."""
    from symscape.jobs.train import train

    return train(typed(config, TrainConfig)).figures["test/accuracy"]


if __name__ == "__main__":
    run_door(main, TrainConfig)
