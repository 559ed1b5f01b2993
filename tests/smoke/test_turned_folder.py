"""The study of networks trained on upright images of a folder and tested on turned ones."""

from collections import Counter

import pytest

from symscape.config.train import TrainConfig
from symscape.door import typed
from symscape.models.sizing import with_width
from symscape.runs.identity import kind
from tests.data.folder.image_trees import make_tree
from tests.smoke.door import call
from tests.smoke.test_doors import jobs_of

KINDS = ["none-pixels", "rot90", "se2-gseparable", "se2-nonseparable", "se2-separable"]


def test_it_is_five_kinds_of_equal_size_with_three_seeds():
    jobs = [typed(c, TrainConfig) for c in jobs_of("turned_folder", "data.root=images")]
    assert Counter(map(kind, jobs)) == dict.fromkeys(KINDS, 3)
    assert Counter(job.seed for job in jobs) == dict.fromkeys(range(3), 5)
    assert {(job.data.name, job.data.turned, job.data.image_size) for job in jobs} == {
        ("folder_rot", "test", 16)
    }
    assert {job.group.grid["rotations"] for job in jobs if job.group.name == "se2"} == {4}
    colour = {"in_channels": 3, "classes": 10, "image": (16, 16)}
    for job in jobs:
        if job.seed == 0:
            _, count, wanted = with_width(job, colour)
            assert abs(count / wanted - 1) < 0.05


@pytest.mark.slow
def test_one_command_trains_it(tmp_path):
    make_tree(tmp_path / "images", train=40, test=6, size=(20, 20))
    small = ("kernel.hidden=4", "trainer.max_epochs=1", "trainer.limit_train_batches=1")
    words = ("-m", "experiment=turned_folder", "data.root=images", "seed=0", "trajectory=2")
    words += ("model.parameters=3000",)
    result = call(tmp_path, "train", *words, *small)
    assert result.returncode == 0, result.stderr
    assert "done    5" in result.stdout
    runs = {p.parent.name for p in (tmp_path / "multirun/turned_folder").glob("*/seed=0")}
    assert all(any(f"-{kind}-none-" in name for name in runs) for kind in KINDS) and len(runs) == 5
    assert (tmp_path / "multirun/turned_folder/turned.png").exists()
