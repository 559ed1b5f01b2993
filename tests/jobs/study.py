"""A study of four small trained networks, made once a test session, and what measures it."""

import shutil
from pathlib import Path
from typing import Any

from symscape.config.interpolate import InterpolateConfig
from symscape.jobs.train.job import train
from tests.jobs.tiny import tiny

SMALL = {
    "points": 5,
    "train_images": 100,
    "bn_images": 100,
    "test_images": 60,
    "align_images": 100,
    "restarts": 1,
    "precision": "float32",
}


def make_study(root: Path) -> Path:
    """Train vanilla and rot90 with two seeds each; return the folder of all studies."""
    for symmetry in ("vanilla", "rot90"):
        for seed in (0, 1):
            trainer = {"limit_train_batches": 20}
            train(tiny(root, symmetry={"name": symmetry}, seed=seed, trainer=trainer))
    return root


def copy_of(root: Path, place: Path) -> Path:
    """Return a copy of a study that a test may harm."""
    shutil.copytree(root, place / "runs")
    return place / "runs"


def asking(root: Path, **changes: Any) -> InterpolateConfig:
    """A small measurement of the study."""
    subject = {} if "a" in changes else {"study": "tests"}
    return InterpolateConfig(**{"root": str(root), **subject, **SMALL, **changes})
