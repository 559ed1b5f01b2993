"""Runs of networks on groups: trained, loaded, resumed."""

import csv
import json
import math
from dataclasses import replace

import pytest
import torch

from symscape.config.groups import OptimizerConfig, TrainerConfig
from symscape.config.network.lie import GroupConfig, KernelConfig
from symscape.config.network.model import ModelConfig
from symscape.config.train import TrainConfig
from symscape.data.batches import Batches
from symscape.data.load import load_data
from symscape.errors import ConfigError, SymscapeError
from symscape.jobs.train.job import TrainResult, train
from symscape.landscape.evaluation import evaluate
from symscape.models.build import check_batches
from symscape.runs.find import load_network, open_run
from symscape.runs.weights import read_weights
from tests.jobs.tiny import final_hash, stop_in_epoch, tiny
from tests.jobs.train.ragged import assert_close

pytestmark = pytest.mark.usefixtures("no_pictures")


def on_group(root, model="ckgresnet", *, sampling="random", data=None, **changes) -> TrainConfig:
    """Dropout is on wherever the network has it."""
    images = {"name": "digits_rot", "augment": "none", **(data or {})}
    config = tiny(root, data=images, symmetry={"name": "vanilla"})
    return replace(
        config,
        model=ModelConfig(model, width=2 - (model == "ckgallcnnc"), kernel_size=3),
        group=GroupConfig("se2", rotations=4, sampling=sampling),
        kernel=KernelConfig("separable", hidden=4),
        optimizer=OptimizerConfig("adam", lr=0.003, weight_decay=0.0),
        **changes,
    )


@pytest.fixture(scope="module")
def finished(tmp_path_factory):
    config = on_group(tmp_path_factory.mktemp("finished"))
    return config, train(config)


def test_a_run_trains_and_its_logits_do_not_turn(finished):
    _, result = finished
    rows = list(csv.DictReader((result.folder / "metrics.csv").open()))
    assert [int(row["step"]) for row in rows] == [3, 6]
    assert all(math.isfinite(float(row["train/loss"])) for row in rows)
    assert max(result.figures[f"change/{name}"] for name in ("rot90", "rot180", "rot270")) <= 1e-5
    assert result.figures["change/hflip"] > 1e-4


def test_its_name_says_group_and_kernel(finished):
    config, result = finished
    assert result.folder.parent.name.startswith("digits_rot-ckgresnet-se2-separable-none-")
    assert open_run(result.folder).config == config


def test_the_loaded_network_reproduces_the_logged_test_loss(finished):
    config, result = finished
    data, network = load_data(config.data), load_network(open_run(result.folder))
    test = Batches(
        data.test, batch_size=100, mean=data.mean, std=data.std, device="cpu", shuffle=False
    )
    assert evaluate(network, test).loss == pytest.approx(result.figures["test/loss"], rel=1e-5)
    assert type(network.lift) is torch.nn.Conv2d


@pytest.mark.slow
def test_what_is_drawn_at_every_step_matters(finished, tmp_path):
    fixed = train(on_group(tmp_path, sampling="fixed"))
    assert final_hash(fixed) != final_hash(finished[1])


def cut(monkeypatch, config) -> None:
    """Train, and end in the middle of the second epoch as if the machine went down."""

    def fail() -> None:
        raise RuntimeError("as if the machine went down")

    stop_in_epoch(monkeypatch, 1, fail)
    with pytest.raises(RuntimeError, match="as if"):
        train(config)


def killed(monkeypatch, config) -> TrainResult:
    """Train, cut off, and resume."""
    cut(monkeypatch, config)
    return train(config)


@pytest.mark.slow
@pytest.mark.parametrize(
    ("model", "size"), [("ckgresnet", 71), pytest.param("ckgallcnnc", 72, marks=pytest.mark.long)]
)
def test_two_processes_get_the_result_of_one(tmp_path, model, size):
    """Norms and dropout are those of whole batches; a last one of one image leaves a part empty."""
    folders = []
    for devices in (1, 2):
        data = {"val_fraction": 0.9, "batch_size": size, "image_size": 16}
        config = on_group(tmp_path / str(devices), model, data=data)
        assert 145 % size == {"ckgresnet": 3, "ckgallcnnc": 1}[model]
        ddp = {"name": "ddp", "devices": 2} if devices > 1 else {}
        trainer = TrainerConfig(max_epochs=2, precision="float64", **ddp)
        folders.append(train(replace(config, trainer=trainer)).folder)
    assert_close(*folders)


def test_how_its_layers_compute_is_kept(finished):
    kept = json.loads((finished[1].folder / "plan.json").read_text())["layers"]
    assert kept["lift"] == "expanded" and kept["blocks.0.conv1"] == "passes"


@pytest.mark.slow
def test_a_killed_run_resumes_to_the_same_bits(finished, tmp_path, monkeypatch):
    """With dropout and grids turned at random: both are functions of seed and step."""
    assert final_hash(killed(monkeypatch, on_group(tmp_path))) == final_hash(finished[1])


def test_a_resumed_run_computes_as_it_began(finished, tmp_path, monkeypatch):
    config = on_group(tmp_path)
    expanded = replace(config, group=replace(config.group, compute="expanded"))
    cut(monkeypatch, expanded)
    result = train(config)
    kept = json.loads((result.folder / "plan.json").read_text())["layers"]
    assert set(kept.values()) == {"expanded"}
    assert final_hash(result) != final_hash(finished[1])  # Equal up to rounding alone.
    assert result.figures["test/loss"] == pytest.approx(finished[1].figures["test/loss"], rel=1e-3)


def test_a_plan_that_its_kernels_do_not_allow_is_one_line(tmp_path, monkeypatch):
    config = on_group(tmp_path)
    cut(monkeypatch, config)
    (path,) = tmp_path.rglob("plan.json")
    path.write_text(path.read_text().replace('"lift": "expanded"', '"lift": "passes"'))
    with pytest.raises(SymscapeError, match=r"plan\.json: damaged.*lift.*group.compute=expanded"):
        train(config)


@pytest.mark.slow
def test_so_does_one_that_drops_pixels(tmp_path, monkeypatch):
    small = {"data": {"image_size": 16, "val_fraction": 0.0}}
    whole = train(on_group(tmp_path / "whole", "ckgallcnnc", **small))
    resumed = killed(monkeypatch, on_group(tmp_path / "cut", "ckgallcnnc", **small))
    assert final_hash(resumed) == final_hash(whole)


def test_images_that_a_network_does_not_fit_are_refused_in_one_line(tmp_path):
    with pytest.raises(ConfigError, match=r"^data.image_size=8: the last kernel.* a map of 2$"):
        train(on_group(tmp_path, data={"image_size": 8}))


def test_a_last_batch_of_one_image_is_refused_in_one_line(tmp_path):
    config = on_group(tmp_path)
    count = len(load_data(config.data).train)
    size = next(n for n in range(2, count) if count % n == 1)
    whole = replace(config.trainer, limit_train_batches=None)
    bad = replace(config, trainer=whole, data=replace(config.data, batch_size=size))
    with pytest.raises(ConfigError, match=rf"^data.batch_size={size}: of {count} images the last"):
        train(bad)
    assert list(tmp_path.iterdir()) == [], "no folder, no lock"
    with pytest.raises(ConfigError, match=r"^data.batch_size=1: must be > 1$"):
        train(replace(config, data=replace(config.data, batch_size=1)))
    check_batches(replace(bad, trainer=config.trainer), count)  # It never comes to the last one.
    check_batches(replace(bad, model=ModelConfig("ckgallcnnc")), count)


def test_what_its_kernels_are_generated_from_is_kept(finished):
    _, result = finished
    weights = result.folder / "weights"
    state, about = read_weights(weights / "final.generator.safetensors")
    assert {name.split(".kernel.")[0] for name in state} >= {"lift", "blocks.0.conv1", "last"}
    assert about["step"] == 6
    # Nothing but the runs' own weights counts as such.
    assert "final.generator" not in open_run(result.folder).manifest.weights
