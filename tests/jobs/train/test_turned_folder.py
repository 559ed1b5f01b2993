"""Networks trained on upright images of a folder and tested on turned ones, without any group."""

from __future__ import annotations

import csv
from dataclasses import replace
from pathlib import Path

import pytest
import torch

from symscape.config.analysis import PlaceConfig
from symscape.config.network.model import ModelConfig
from symscape.config.train import TrainConfig
from symscape.data.load import load_data
from symscape.errors import SymscapeError
from symscape.jobs.analysis.images import images_of
from symscape.jobs.summary.means import write_summary
from symscape.jobs.train.job import TrainResult, train
from symscape.runs.find import load_network, open_run
from tests.data.folder.image_trees import make_tree, pack
from tests.jobs.tiny import tiny


def config(root: Path, **model: object) -> TrainConfig:
    data = {"name": "folder_rot", "root": str(root / "images"), "turned": "test", "image_size": 8}
    one_epoch = {"max_epochs": 1, "limit_train_batches": 1}
    made = tiny(root, data=data | {"augment": False, "batch_size": 4}, trainer=one_epoch)
    return replace(made, model=ModelConfig(**{"name": "resnet20", "width": 2, **model}))


@pytest.fixture(scope="module")
def result(tmp_path_factory) -> TrainResult:
    root = tmp_path_factory.mktemp("turned")
    make_tree(root / "images", train=6, test=4, size=(12, 12))
    return train(config(root))


@pytest.fixture
def rows(result) -> list[dict[str, str]]:
    with (result.folder / "equivariance.csv").open(newline="") as file:
        return list(csv.DictReader(file))


def test_symmetric_networks_have_their_accuracy_by_the_angle(result, rows):
    assert [int(row["amount"]) for row in rows] == list(range(0, 360, 15))
    assert {row["kind"] for row in rows} == {"angle"} and {row["images"] for row in rows} == {"8"}
    assert [row["element"] for row in rows] == ["identity"] + [""] * 23
    mean = sum(float(row["accuracy"]) for row in rows) / 24
    assert result.figures["turned/accuracy"] == pytest.approx(mean)
    assert "equivariance/max" not in result.figures
    names = {path.name for path in (result.folder / "pictures").iterdir()}
    assert "equivariance.png" in names and "activations.png" not in names
    assert not (result.folder / "examples.npz").exists()


def test_angles_are_of_upright_test_images_and_the_test_accuracy_of_turned_ones(result, rows):
    run = open_run(result.folder)
    upright = load_data(replace(run.config.data, name="folder", turned="both"))
    data = load_data(run.config.data)
    network = load_network(run)

    def accuracy(of) -> float:
        pixels = (of.images / 255 - channels(data.mean)) / channels(data.std)
        return float((network(pixels).argmax(1) == of.labels).double().mean())

    assert float(rows[0]["accuracy"]) == pytest.approx(accuracy(upright.test))
    assert result.figures["test/accuracy"] == pytest.approx(accuracy(data.test))


def channels(values: tuple[float, ...]) -> torch.Tensor:
    return torch.tensor(values).view(-1, 1, 1)


def test_a_finished_run_is_recognised_and_finds_its_images_in_an_archive(result, tmp_path):
    again = train(config(result.folder.parents[2]))
    assert again.folder == result.folder and not again.trained
    run = open_run(result.folder)
    archive = pack(Path(str(run.config.data.root)), tmp_path / "moved.zip")
    data = images_of(run, PlaceConfig(root=str(archive)))
    assert torch.equal(data.test.images, load_data(run.config.data).test.images)
    other = make_tree(tmp_path / "other", train=6, test=3, size=(12, 12))
    with pytest.raises(SymscapeError, match=r"other: not the images that .* was trained on"):
        images_of(run, PlaceConfig(root=str(other)))


def test_a_study_draws_each_of_its_networks(result, monkeypatch):
    root = result.folder.parents[2]
    train(config(root, name="resnet32"))
    drawn: dict[str, list[Path]] = {}

    def drawing(title, tables, picture):
        drawn.update(tables)
        return []

    monkeypatch.setattr("symscape.plots.lie.turned.draw_turned", drawing)
    write_summary(root, "tests")
    assert set(drawn) == {"resnet20 rot90", "resnet32 rot90"}
    assert drawn["resnet20 rot90"] == [result.folder / "equivariance.csv"]
