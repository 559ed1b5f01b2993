"""Runs whose networks pad and subsample otherwise: trained, found, resumed, and what they keep."""

import json

import pytest
import torch

from symscape.config.network.model import ModelConfig
from symscape.data.batches import Batches
from symscape.data.load import load_data
from symscape.errors import ConfigError
from symscape.jobs.train.job import train
from symscape.landscape.evaluation import evaluate
from symscape.runs.find import find_runs, load_network
from tests.jobs.tiny import final_hash, stop_in_epoch, tiny

pytestmark = pytest.mark.usefixtures("no_pictures")

CHANGES = ("hflip", "vflip", "rot90", "rot180", "rot270")


def changes(folder) -> list[float]:
    figures = json.loads((folder / "metrics.json").read_text())
    return [figures[f"change/{name}"] for name in CHANGES]


@pytest.mark.parametrize(
    "balanced", [{"data": {"image_size": 33}}, {"model": {"downsample": "blur"}}], ids=str
)
def test_balanced_networks_do_not_move_their_logits(tmp_path, balanced):
    assert max(changes(train(tiny(tmp_path, **balanced)).folder)) <= 1e-5


@pytest.mark.parametrize(
    "uneven", [{}, {"downsample": "blur", "blur": 3}, {"padding": "circular"}], ids=str
)
def test_uneven_ones_do(tmp_path, uneven):
    assert max(changes(train(tiny(tmp_path, model=uneven)).folder)) > 1e-3


@pytest.mark.parametrize(
    "model",
    [{"padding": "partial"}, {"padding": "reflect"}, {"downsample": "blur"}],
    ids=str,
)
def test_the_weights_fill_the_network_that_was_tested(tmp_path, model):
    config = tiny(tmp_path, model=model)
    result = train(config)
    (run,) = find_runs(tmp_path, "tests")
    data = load_data(config.data)
    test = Batches(
        data.test, batch_size=100, mean=data.mean, std=data.std, device="cpu", shuffle=False
    )
    again = evaluate(load_network(run), test)
    assert again.loss == pytest.approx(result.figures["test/loss"], rel=1e-5)


def test_drawn_grids_resume_to_the_same_bits(tmp_path, monkeypatch):
    model = {"downsample": "sbpool"}
    expected = final_hash(train(tiny(tmp_path / "whole", model=model)))

    def fail() -> None:
        raise RuntimeError("as if the machine went down")

    stop_in_epoch(monkeypatch, 1, fail)
    config = tiny(tmp_path / "cut", model=model)
    with pytest.raises(RuntimeError):
        train(config)
    assert final_hash(train(config)) == expected
    assert final_hash(train(tiny(tmp_path / "strided"))) != expected


def test_what_cannot_be():
    with pytest.raises(ConfigError, match=r"model.padding=mirror: .*reflect"):
        ModelConfig(padding="mirror")
    with pytest.raises(ConfigError, match=r"model.downsample=blurr: did you mean 'blur'"):
        ModelConfig(downsample="blurr")
    for taps in (1, 6):
        with pytest.raises(ConfigError, match=f"model.blur={taps}: must be"):
            ModelConfig(downsample="blur", blur=taps)


def test_a_compiler_takes_no_grids(tmp_path):
    with pytest.raises(ConfigError, match=r"model.downsample=sbpool: compile=true takes"):
        tiny(tmp_path, compile=True, model={"downsample": "sbpool"})


def test_float64_keeps_its_precision(tmp_path):
    """Blurs and ratios are made anew in the type at hand: float32 ones would show here."""
    config = tiny(tmp_path, model={"downsample": "blur", "padding": "partial"})
    config.trainer.precision = "float64"
    config.trainer.max_epochs = 1
    assert max(changes(train(config).folder)) <= 1e-12
    assert torch.get_default_dtype() == torch.float32
