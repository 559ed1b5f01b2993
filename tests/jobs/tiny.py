"""A run small enough for tests: real digits, a narrow ResNet-20, two epochs of three batches."""

from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from symscape.config.data import DataConfig
from symscape.config.groups import SymmetryConfig, TrainerConfig
from symscape.config.network.model import ModelConfig
from symscape.config.train import TrainConfig
from symscape.jobs.train.job import TrainResult
from symscape.runs.find import weights_path
from symscape.runs.weights import content_hash, read_weights
from symscape.training.callbacks.recorder import Recorder


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


def final_hash(result: TrainResult) -> str:
    return content_hash(read_weights(weights_path(result.folder))[0])


def stop_in_epoch(monkeypatch: pytest.MonkeyPatch, epoch: int, how) -> None:
    """Call `how` in the middle of an epoch, once."""
    original = Recorder.on_train_batch_end

    def stopping(self, trainer, pl_module, *rest):
        original(self, trainer, pl_module, *rest)
        if trainer.current_epoch == epoch and trainer.global_step % 3 == 2:
            monkeypatch.setattr(Recorder, "on_train_batch_end", original)
            how()

    monkeypatch.setattr(Recorder, "on_train_batch_end", stopping)
