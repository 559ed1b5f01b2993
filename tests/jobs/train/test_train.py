"""The training job: what a run leaves behind, and how it starts."""

import csv
import json
import math
from dataclasses import replace

import pytest
import torch

from symscape.config.groups import OptimizerConfig
from symscape.config.shared import LoggerConfig
from symscape.config.train import TrainConfig
from symscape.data.batches import Batches
from symscape.data.load import load_data
from symscape.errors import SymscapeError
from symscape.jobs.train.job import TrainResult, train
from symscape.landscape.evaluation import evaluate
from symscape.runs.configs import read_config
from symscape.runs.find import find_runs, load_network, open_run, weights_path
from symscape.runs.manifest import read_manifest
from symscape.runs.weights import content_hash, read_weights
from symscape.symmetry.groups import ELEMENTS, GROUP_ELEMENTS
from tests.jobs.tiny import final_hash, tiny

pytestmark = pytest.mark.usefixtures("no_pictures")


@pytest.fixture(scope="module")
def finished(tmp_path_factory) -> tuple[TrainConfig, TrainResult]:
    config = tiny(tmp_path_factory.mktemp("finished"))
    return config, train(config)


def test_a_finished_run_has_everything(finished):
    config, result = finished
    run = open_run(result.folder)
    assert run.state == "completed" and run.config == config == read_config(result.folder)
    assert run.manifest.resolved["precision"] == "float32"
    assert run.manifest.data["images"]["train"] > 1000
    assert set(run.manifest.versions) >= {"python", "torch", "symscape"}
    assert len(run.manifest.started) == 1 and run.manifest.finished
    names = {p.name for p in (result.folder / "pictures").iterdir()}
    assert names == {"training.png", "mean_kernels.png", "symmetry.png", "kernels.png"}
    log = (result.folder / "train.log").read_text()
    assert "augment: standard" in log and "epoch 2/2" in log
    assert json.loads((result.folder / "metrics.json").read_text()) == result.figures


def test_every_weights_file_is_in_the_manifest(finished):
    _, result = finished
    hashes = read_manifest(result.folder).weights
    files = {p.stem: p for p in (result.folder / "weights").iterdir()}
    assert set(files) == set(hashes) >= {"init", "step=00000001", "final"}
    for name, path in files.items():
        assert content_hash(read_weights(path)[0]) == hashes[name]


def test_metrics_have_a_row_an_epoch(finished):
    config, result = finished
    rows = list(csv.DictReader((result.folder / "metrics.csv").open()))
    assert [int(r["epoch"]) for r in rows] == [1, 2]
    assert [int(r["step"]) for r in rows] == [3, 6]
    # Six steps: the rate drops after 40 % and 80 % of them, within the last step of each epoch.
    rates = [float(r["lr"]) / config.optimizer.lr for r in rows]
    assert rates == pytest.approx([0.1, 0.01])
    for row in rows:
        assert all(math.isfinite(float(v)) for v in row.values())
        assert float(row["symmetry/layer/total"]) == pytest.approx(1, abs=1e-6)
    layers = list(csv.DictReader((result.folder / "symmetry.csv").open()))
    assert {int(r["epoch"]) for r in layers} == {0, 1, 2}
    assert len({r["layer"] for r in layers}) == 19


def test_the_loaded_network_reproduces_the_logged_test_loss(finished):
    """Earlier code evaluated the stored kernels in place of the effective ones."""
    config, result = finished
    data = load_data(config.data)
    network = load_network(open_run(result.folder))
    test = Batches(
        data.test, batch_size=100, mean=data.mean, std=data.std, device="cpu", shuffle=False
    )
    again = evaluate(network, test)
    assert again.loss == pytest.approx(result.figures["test/loss"], rel=1e-5)
    assert again.accuracy == result.figures["test/accuracy"]


def test_loaded_kernels_obey_the_symmetry(finished):
    _, result = finished
    for step in ("init", "1", "final"):
        network = load_network(open_run(result.folder), step)
        for element in GROUP_ELEMENTS["rot90"]:
            kernel = network.stages[1][0].conv1.weight
            assert torch.equal(ELEMENTS[element](kernel), kernel)


def test_a_finished_run_is_not_trained_again(finished):
    config, result = finished
    before = {p: p.stat().st_mtime_ns for p in result.folder.rglob("*")}
    again = train(config)
    assert not again.trained and again.figures == result.figures
    assert before == {p: p.stat().st_mtime_ns for p in result.folder.rglob("*")}


def test_the_same_seed_gives_the_same_bits_and_another_seed_others(finished, tmp_path):
    config, result = finished
    torch.manual_seed(99)
    same = train(replace(config, root=str(tmp_path)))
    assert final_hash(same) == final_hash(result)
    other = train(replace(config, root=str(tmp_path), seed=1))
    assert final_hash(other) != final_hash(result)


def test_weights_of_another_run_are_not_loaded(tmp_path, finished):
    folder = train(tiny(tmp_path, seed=5, trainer={"max_epochs": 1})).folder
    theirs = weights_path(finished[1].folder).read_bytes()
    weights_path(folder).write_bytes(theirs)
    with pytest.raises(SymscapeError, match="not the weights that"):
        load_network(open_run(folder))


def test_a_network_with_kernels_that_are_not_square(tmp_path):
    config = tiny(tmp_path, model={"kernel_size": [3, 5]}, symmetry={"name": "hvflip"})
    result = train(config)
    assert "symmetry/layer/hv" in result.figures
    assert "symmetry/layer/total" not in result.figures
    json.loads((result.folder / "metrics.json").read_text(), parse_constant=pytest.fail)


def test_force_sets_the_old_run_aside(tmp_path):
    config = tiny(tmp_path, trainer={"max_epochs": 1})
    first = train(config)
    second = train(replace(config, force=True))
    assert second.trained and first.folder == second.folder
    aside = list(first.folder.parent.glob("seed=0.aside-*"))
    assert len(aside) == 1 and (aside[0] / "manifest.json").exists()
    assert len(find_runs(tmp_path, "tests")) == 1
    assert final_hash(second) == content_hash(
        read_weights(aside[0] / "weights" / "final.safetensors")[0]
    )


@pytest.mark.parametrize("precision", ["float64", "bfloat16"])
def test_precisions(tmp_path, precision):
    config = tiny(tmp_path, trainer={"precision": precision})
    result = train(config)
    state, _ = read_weights(weights_path(result.folder))
    expected = torch.float64 if precision == "float64" else torch.float32
    assert state["conv.weight"].dtype == expected
    network = load_network(open_run(result.folder))
    assert network.conv.weight.dtype == expected


@pytest.mark.parametrize("parametrization", ["projected", "penalty"])
def test_parametrizations_train(tmp_path, parametrization):
    options = {"name": "rot90", "parametrization": parametrization, "strength": 10.0}
    result = train(tiny(tmp_path, symmetry=options, optimizer=OptimizerConfig(lr=0.01)))
    score = result.figures["symmetry/layer/total"]
    rows = list(csv.DictReader((result.folder / "symmetry.csv").open()))
    start = [float(r["value"]) for r in rows if r["epoch"] == "0" and r["kind"] == "layer"]
    if parametrization == "projected":
        assert score == pytest.approx(1, abs=1e-6)
    else:
        assert score > sum(start) / len(start), "the penalty pulls kernels towards the symmetry"


def test_no_validation_images(tmp_path):
    result = train(tiny(tmp_path, data={"val_fraction": 0.0}))
    rows = list(csv.DictReader((result.folder / "metrics.csv").open()))
    assert {r["val/accuracy"] for r in rows} == {""}
    assert open_run(result.folder).manifest.data["images"]["val"] == 0


def test_tensorboard_gets_the_numbers(tmp_path):
    from tensorboard.backend.event_processing.event_accumulator import EventAccumulator

    result = train(tiny(tmp_path, logger=LoggerConfig(name="tensorboard")))
    events = EventAccumulator(str(result.folder / "tensorboard"))
    events.Reload()
    rows = list(csv.DictReader((result.folder / "metrics.csv").open()))
    logged = [e.value for e in events.Scalars("val/loss")]
    assert logged == pytest.approx([float(r["val/loss"]) for r in rows], rel=1e-6)
    assert "test/accuracy" in events.Tags()["scalars"]
