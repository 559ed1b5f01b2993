"""The settings of Knigge et al. 2022, on a file in the format of the published one."""

import pytest
from hydra import compose, initialize_config_dir

from symscape.config.train import TrainConfig
from symscape.data.sets import mnist_rot
from symscape.door import register_schemas, typed
from symscape.jobs.train.job import train
from tests.data.sets.publishers import labels_of, noise, table, zipped
from tests.smoke.door import ROOT

PARTS = {"train_valid": 96, "test": 20}


@pytest.mark.slow
def test_a_batch_of_the_paper_s_experiment(tmp_path, monkeypatch):
    path = tmp_path / mnist_rot.FILE
    files = {
        f"{mnist_rot.STEM}{part}.amat": table(noise(i, count, 28, 28), labels_of(count))
        for i, (part, count) in enumerate(PARTS.items())
    }
    monkeypatch.setattr(mnist_rot.load_mnist_rot, "__defaults__", (zipped(path, files),))
    register_schemas()
    with initialize_config_dir(str(ROOT / "cfg"), version_base="1.3"):
        short = ["model.width=8", "trainer.max_epochs=1", "trainer.limit_train_batches=1"]
        words = ["experiment=lie_paper", f"data.root={path}", f"root={tmp_path}", *short]
        config = typed(compose("train", words), TrainConfig)
    assert (config.group.name, config.kernel.name, config.optimizer.name) == (
        "se2",
        "separable",
        "adam",
    )
    result = train(config)
    assert max(result.figures[f"change/{name}"] for name in ("rot90", "rot180", "rot270")) <= 1e-5
    assert result.figures["equivariance/max"] < 1e-4
