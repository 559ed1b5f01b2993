"""The callback that logs S in a Trainer that is not ours."""

import csv
from pathlib import Path

import lightning.pytorch as pl
import pytest
import torch
from lightning.pytorch.callbacks import ModelCheckpoint
from lightning.pytorch.loggers import CSVLogger
from torch import nn
from torch.nn import functional
from torch.utils.data import DataLoader, TensorDataset

from symscape.callbacks import KernelSymmetry
from symscape.errors import SymscapeError
from symscape.layers.factory import ConvFactory, initialise
from symscape.symmetry.groups import Symmetry
from symscape.symmetry.measures import measure_network


class Module(pl.LightningModule):
    def __init__(self, symmetry: str = "vanilla") -> None:
        super().__init__()
        torch.manual_seed(0)
        self.net = nn.Sequential(
            nn.Conv2d(1, 4, 3), nn.ReLU(), ConvFactory(Symmetry(symmetry))(4, 2, (3, 3))
        )
        initialise(self.net, seed=0)

    def training_step(self, batch, step):
        x, y = batch
        return functional.cross_entropy(self.net(x).mean((2, 3)), y)

    def configure_optimizers(self):
        return torch.optim.SGD(self.parameters(), 0.1)


def fit(folder, module, *callbacks, epochs=2):
    torch.manual_seed(0)
    images = DataLoader(TensorDataset(torch.randn(8, 1, 6, 6), torch.arange(8) % 2), 4)
    trainer = pl.Trainer(
        max_epochs=epochs,
        logger=CSVLogger(folder),
        callbacks=list(callbacks),
        enable_progress_bar=False,
        enable_model_summary=False,
        log_every_n_steps=1,
        accelerator="cpu",
    )
    trainer.fit(module, images)
    trainer.logger.save()
    with Path(trainer.logger.log_dir, "metrics.csv").open(newline="") as file:
        rows = [r for r in csv.DictReader(file) if r["symmetry/layer/total/net.0"]]
    return trainer, rows


def test_every_layer_is_logged_before_and_after_every_epoch(tmp_path):
    module = Module("rot90")
    before = {m.layer: m.value for m in measure_network(module) if m.group == "total"}
    trainer, rows = fit(tmp_path, module, KernelSymmetry(), ModelCheckpoint(tmp_path / "kept"))
    assert [int(row["step"]) for row in rows] == [0, 1, 3]
    after = {
        m.layer: m.value for m in measure_network(module) if (m.kind, m.group) == ("layer", "total")
    }
    assert set(before) == set(after) == {"net.0", "net.2"}
    for layer, value in after.items():
        assert float(rows[-1][f"symmetry/layer/total/{layer}"]) == pytest.approx(value, rel=1e-6)
    mean = trainer.callback_metrics["symmetry/layer/total"].item()
    assert mean == pytest.approx(sum(after.values()) / 2, rel=1e-6)
    # A kernel that quarter turns leave alone is not one that flips leave alone.
    assert KernelSymmetry("rot90").measure(module)["symmetry/layer/rot90/net.2"] == pytest.approx(1)


def test_others_can_watch_it(tmp_path):
    kept = ModelCheckpoint(tmp_path / "kept", monitor="symmetry/layer/total", mode="max")
    trainer, _ = fit(tmp_path, Module(), KernelSymmetry(), kept)
    assert kept.best_model_score == max(kept.best_k_models.values())
    assert torch.isfinite(trainer.callback_metrics["symmetry/layer/total"])


def test_it_looks_as_often_as_asked(tmp_path):
    _, rows = fit(tmp_path, Module(), KernelSymmetry(every=2), epochs=3)
    assert [int(row["step"]) for row in rows] == [0, 3]


def test_a_layer_without_s_is_left_out():
    module = Module()
    nn.init.zeros_(module.net[0].weight)
    assert set(KernelSymmetry().measure(module)) == {
        "symmetry/layer/total",
        "symmetry/layer/total/net.2",
    }


@pytest.mark.parametrize("wrong", [{"group": "rot9"}, {"kind": "layers"}, {"every": 0}])
def test_settings_are_checked(wrong):
    with pytest.raises(SymscapeError):
        KernelSymmetry(**wrong)
