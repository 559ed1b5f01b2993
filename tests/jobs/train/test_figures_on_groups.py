"""What a run of a network on a group measures besides: equivariance and redundancy."""

import csv
import json
import math
import os
import signal
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import torch

from symscape.config.network.lie import GroupConfig, KernelConfig
from symscape.config.network.model import ModelConfig
from symscape.config.train import TrainConfig
from symscape.data.load import load_data, upright_test
from symscape.jobs.train import turned as on_turned
from symscape.jobs.train.job import TrainResult, train
from symscape.runs.find import find_runs, load_network, open_run
from symscape.symmetry.redundancy import redundancy
from tests.jobs.tiny import stop_in_epoch, tiny

OURS = {"equivariance.csv", "redundancy.csv", "examples.npz"}
PICTURES = {"equivariance.png", "redundancy.png", "activations.png", "group_kernels.png"}


@pytest.fixture(scope="module", autouse=True)
def few():
    """Turn a few images only."""
    patch = pytest.MonkeyPatch()
    patch.setattr(on_turned, "FEWEST", 20)
    patch.setattr(on_turned, "MOST", 20)
    yield
    patch.undo()


def config(root: Path, group: str = "se2", kernel: str = "separable", **changes) -> TrainConfig:
    data = {"name": "digits_rot", "turned": "test", "augment": False}
    return replace(
        tiny(root, data=data, symmetry={"name": "vanilla"}),
        model=ModelConfig("ckgcnn", width=2, kernel_size=5),
        group=GroupConfig(group, **changes),
        kernel=KernelConfig(kernel, hidden=4),
    )


def table(result: TrainResult, name: str) -> list[dict[str, str]]:
    with (result.folder / name).open(newline="") as file:
        return list(csv.DictReader(file))


def column(rows: list[dict[str, str]], kind: str, name: str) -> list[float]:
    return [float(row[name]) for row in rows if row["kind"] == kind]


@pytest.fixture(scope="module")
def turning(tmp_path_factory) -> TrainResult:
    return train(config(tmp_path_factory.mktemp("se2")))


@pytest.fixture(scope="module")
def scaling(tmp_path_factory) -> TrainResult:
    return train(config(tmp_path_factory.mktemp("sim2"), "sim2", rotations=2, scales=2))


@pytest.fixture(scope="module")
def plain(tmp_path_factory) -> TrainResult:
    return train(config(tmp_path_factory.mktemp("none"), "none", "pixels"))


def test_layers_of_a_group_are_exact_under_its_quarter_turns(turning):
    rows = table(turning, "equivariance.csv")
    cells = {(r["layer"], r["element"]) for r in rows if r["kind"] == "layer"}
    layers = ("lift", "convs.0", "convs.1", "last")
    assert cells == {(layer, f"rot{d}") for layer in layers for d in (90, 180, 270)}
    errors = column(rows, "layer", "value")
    assert 0 < max(errors) < 1e-5
    assert turning.figures["equivariance/max"] == max(errors)


def test_angles_are_those_every_fifteen_degrees(turning):
    rows = [r for r in table(turning, "equivariance.csv") if r["kind"] == "angle"]
    assert [int(r["amount"]) for r in rows] == list(range(0, 360, 15))
    known = {int(r["amount"]): r["element"] for r in rows}
    assert {d for d, name in known.items() if name == "grid"} == {45, 135, 225, 315}
    assert {r["images"] for r in rows} == {"20"}
    exact = {d: name for d, name in known.items() if name not in ("", "grid")}
    assert exact == {0: "identity", 90: "rot90", 180: "rot180", 270: "rot270"}
    for row in rows:
        value, back = float(row["value"]), float(row["resampled"])
        if int(row["amount"]) in exact:
            assert value < 1e-4 and back == 0 and row["accuracy"] == rows[0]["accuracy"]
        else:
            assert 0.001 < value < 3 and 0.001 < back < 3


def test_figures_are_means_of_the_table(turning):
    rows = table(turning, "equivariance.csv")
    for figure, name in (("turned/accuracy", "accuracy"), ("turned/displacement", "value")):
        values = column(rows, "angle", name)
        assert len(values) == 24
        assert turning.figures[figure] == pytest.approx(sum(values) / 24)
    assert json.loads((turning.folder / "metrics.json").read_text()) == turning.figures


def test_turned_images_are_the_upright_ones(turning):
    """Accuracy at 0 degrees is that on images which the data set has turned for its test part."""
    run = open_run(turning.folder)
    data = load_data(run.config.data)
    upright = upright_test(run.config.data, data)
    chosen = torch.linspace(0, len(upright) - 1, 20).round().long()
    mean, std = data.mean[0], data.std[0]
    pixels = (upright.images[chosen].float() / 255 - mean) / std
    right = load_network(run)(pixels).argmax(1) == upright.labels[chosen]
    rows = table(turning, "equivariance.csv")
    assert column(rows, "angle", "accuracy")[0] == pytest.approx(right.float().mean().item())
    assert not torch.equal(upright.images[0], data.test.images[0])
    with np.load(turning.folder / "examples.npz") as arrays:
        assert np.array_equal(arrays["images"][0], upright.images[0].numpy())


def test_scales_shrink_by_the_steps_of_the_grid(scaling):
    rows = table(scaling, "equivariance.csv")
    assert column(rows, "scale", "amount") == pytest.approx([1, 1 / 1.74])
    same, shrunk = column(rows, "scale", "value")
    assert same == 0 < shrunk
    back = column(rows, "scale", "resampled")
    assert back[0] == 0 < back[1]
    assert column(rows, "scale", "accuracy")[0] == column(rows, "angle", "accuracy")[0]
    elements = {r["element"] for r in rows if r["kind"] == "layer"}
    assert elements == {"rot180"}


def test_a_network_without_group_is_the_control(plain):
    rows = table(plain, "equivariance.csv")
    assert {r["kind"] for r in rows} == {"angle"} and len(rows) == 24
    assert column(rows, "angle", "value")[6] > 0.01  # A quarter turn.
    assert "equivariance/max" not in plain.figures
    assert plain.figures["turned/displacement"] > 0
    assert not (plain.folder / "redundancy.csv").exists()
    names = {p.name for p in (plain.folder / "pictures").iterdir()}
    assert names & PICTURES == {"equivariance.png", "activations.png"}


def test_all_that_a_group_leaves_is_drawn(turning):
    assert {p.name for p in turning.folder.iterdir()} >= OURS
    assert {p.name for p in (turning.folder / "pictures").iterdir()} >= PICTURES


def test_redundancy_is_that_of_the_kernels_on_disk(turning):
    rows = table(turning, "redundancy.csv")
    assert {int(r["epoch"]) for r in rows} == {0, 1, 2}
    assert {r["layer"] for r in rows} == {"convs.0", "convs.1", "last"}
    run = open_run(turning.folder)
    for epoch, step in ((0, "init"), (2, "final")):
        weight = load_network(run, step).get_submodule("last").weight
        for (kind, centred), value in redundancy(weight, 8, 8).items():
            cells = (str(epoch), "last", kind, str(int(centred)))
            (row,) = (r for r in rows if (r["epoch"], r["layer"], r["kind"], r["centred"]) == cells)
            assert float(row["value"]) == pytest.approx(value)
            assert value == pytest.approx(1, abs=1e-5)  # Separable.


def test_examples_show_what_the_group_makes_of_an_image(turning, plain):
    with np.load(turning.folder / "examples.npz") as arrays:
        assert arrays["kernels"].shape == (2, 2, 8, 8, 5, 5)
        assert arrays["maps"].shape == (3, 8, 24, 24)
        upright, moved = arrays["images"]
        assert np.array_equal(np.rot90(upright, axes=(1, 2)), moved)
        assert np.allclose(arrays["maps"][1], arrays["maps"][2], atol=1e-5)
        # Element 0 of the turned image's maps is that at 270 degrees of the image's, turned.
        assert np.array_equal(arrays["maps"][2][0], np.rot90(arrays["maps"][0][6]))
        assert float(arrays["difference"]) < 1e-5
        assert list(arrays["elements"][:2]) == ["0°", "45°"]
    with np.load(plain.folder / "examples.npz") as arrays:
        assert "kernels" not in arrays and float(arrays["difference"]) > 0.01


def test_kernels_shown_are_those_of_the_network(turning):
    weight = load_network(open_run(turning.folder)).get_submodule("convs.0").weight.detach()
    with np.load(turning.folder / "examples.npz") as arrays:
        shown = arrays["kernels"]
    # Output channel 1 at element 3, input channel 0 at element 5.
    assert np.allclose(shown[1, 0, 3, 5], weight[1 * 8 + 3, 0 * 8 + 5], atol=1e-6)


def test_a_resumed_run_has_every_epoch_once(tmp_path, monkeypatch, turning):
    stop_in_epoch(monkeypatch, 1, lambda: os.kill(os.getpid(), signal.SIGINT))
    again = config(tmp_path)
    with pytest.raises(KeyboardInterrupt):
        train(again)
    (run,) = find_runs(tmp_path, "tests")
    path = run.folder / "redundancy.csv"
    # As if it had been killed between the table and the checkpoint.
    path.write_text(path.read_text() + "2,last,pair,0,0.5\n")
    resumed = train(again)
    assert table(resumed, "redundancy.csv") == table(turning, "redundancy.csv")
    assert table(resumed, "equivariance.csv") == table(turning, "equivariance.csv")


def test_other_networks_have_none_of_it(tmp_path):
    result = train(tiny(tmp_path, trainer={"max_epochs": 1}))
    assert not OURS & {p.name for p in result.folder.iterdir()}
    assert not PICTURES & {p.name for p in (result.folder / "pictures").iterdir()}
    assert not [name for name in result.figures if name.startswith(("turned", "equivariance"))]


def test_figures_are_finite(turning, scaling, plain):
    for result in (turning, scaling, plain):
        assert all(math.isfinite(value) for value in result.figures.values())
