"""A run small enough for tests: real digits, a narrow ResNet-20, two epochs of three batches."""

from dataclasses import replace
from pathlib import Path
from typing import Any

from symscape.config import (
    DataConfig,
    ModelConfig,
    SymmetryConfig,
    TrainConfig,
    TrainerConfig,
)


def tiny(root: Path, **changes: Any) -> TrainConfig:
    groups = {
        "data": {"name": "digits", "batch_size": 32, "augment": True},
        "model": {"name": "resnet20", "width": 4},
        "symmetry": {"name": "rot90"},
        "trainer": {"max_epochs": 2, "limit_train_batches": 3, "precision": "float32"},
    }
    kinds = {
        "data": DataConfig,
        "model": ModelConfig,
        "symmetry": SymmetryConfig,
        "trainer": TrainerConfig,
    }
    built = {k: kinds[k](**{**v, **changes.pop(k, {})}) for k, v in groups.items()}
    return replace(TrainConfig(root=str(root), study="tests", trajectory=4, **built), **changes)
