"""Calling the doors as a user does: a process of its own, from another folder."""

import os
import subprocess
import sys
from pathlib import Path

ROOT = Path(__file__).parents[2]
TINY = (
    "data=digits",
    "data.batch_size=32",
    "model=resnet20",
    "model.width=4",
    "trainer.max_epochs=2",
    "trainer.limit_train_batches=3",
    "trajectory=4",
)


def command(door: str, *words: str) -> list[str]:
    return [sys.executable, str(ROOT / f"{door}.py"), *words]


def environment(**variables: str) -> dict[str, str]:
    kept = {k: v for k, v in os.environ.items() if not k.startswith(("WANDB_", "HYDRA_"))}
    return {**kept, "OMP_NUM_THREADS": "1", **variables}


def call(
    folder: Path, door: str, *words: str, **variables: str
) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        command(door, *words),
        cwd=folder,
        env=environment(**variables),
        capture_output=True,
        text=True,
        timeout=280,
        check=False,
    )
