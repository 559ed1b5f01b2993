"""A run's folder becomes four pictures; a missing or damaged file is one line that names it."""

from __future__ import annotations

import csv
import json
import math
from pathlib import Path

import numpy as np
import pytest
from safetensors.numpy import save_file

from symscape.errors import SymscapeError
from symscape.plots.read.runs import read_kernels, read_metrics, read_symmetry, read_title
from symscape.plots.run import draw_run

LAYERS = ("stem.conv", "stages.0.0.conv1", "stages.0.2.conv1", "stages.0.10.conv1")
RESULTS = (
    "manifest.json",
    "metrics.csv",
    "symmetry.csv",
    "weights/init.safetensors",
    "weights/final.safetensors",
)
METRICS = (
    "epoch,step,lr,train/loss,train/accuracy,val/loss,val/accuracy,seconds,"
    "images_per_second,symmetry/layer/total,symmetry/mean_kernel/total,symmetry/layer/h\n"
    "1,390,0.1,1.9,0.3,,,9.0,5000,0.38,0.41,0.42\n"
    "2,780,0.1,nan,0.5,1.2,0.55,9.0,5000,0.39,0.5,0.43\n"
)
SYMMETRY = ["epoch", "layer", "depth", "kind", "group", "value"]
SYMMETRY += ["null_low", "null_mean", "null_high"]


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    """Write the result files of a small run of two epochs."""
    (tmp_path / "weights").mkdir()
    (tmp_path / "manifest.json").write_text(json.dumps({"name": "cifar10-tiny-rot90", "seed": 0}))
    (tmp_path / "metrics.csv").write_text(METRICS)
    random = np.random.default_rng(0)
    for part in ("init", "final"):
        state = {f"{layer}.weight": random.normal(size=(4, 2, 3, 3)) for layer in LAYERS}
        state |= {"stages.0.0.shortcut.weight": np.ones((4, 2, 1, 1)), "norm.weight": np.ones(4)}
        state |= {"head.weight": np.ones((10, 4)), "norm.running_mean": np.zeros(4)}
        save_file(
            {key: array.astype(np.float32) for key, array in state.items()},
            tmp_path / "weights" / f"{part}.safetensors",
        )
    with (tmp_path / "symmetry.csv").open("w", newline="") as file:
        writer = csv.writer(file)
        writer.writerow(SYMMETRY)
        for epoch in (2, 0):
            for depth, layer in reversed(list(enumerate(LAYERS))):
                writer.writerow([epoch, layer, depth, "layer", "h", 0.9, "", "", ""])
                writer.writerow([epoch, layer, depth, "layer", "total", "nan", "", "", ""])
                row = [epoch, layer, depth, "mean_kernel", "total", 0.4 + epoch / 10]
                writer.writerow([*row, 0.27, 0.408, 0.6])
    return tmp_path


def test_a_run_becomes_four_pictures_and_again(folder: Path) -> None:
    names = ["training.png", "mean_kernels.png", "symmetry.png", "kernels.png"]
    expected = [folder / "pictures" / name for name in names]
    assert draw_run(folder) == expected
    assert all(path.read_bytes().startswith(b"\x89PNG") for path in expected)
    before = [path.read_bytes() for path in expected]
    assert draw_run(folder) == expected
    assert [path.read_bytes() for path in expected] == before
    assert sorted((folder / "pictures").iterdir()) == sorted(expected)


def test_layers_come_in_order_of_depth(folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    seen: list[list[str]] = []

    def record(start: dict[str, object], *args: object, **kwargs: object) -> None:
        seen.append(list(start))
        raise InterruptedError

    monkeypatch.setattr("symscape.plots.run.mean_kernel_strip", record)
    with pytest.raises(InterruptedError):
        draw_run(folder)
    assert seen == [list(LAYERS)]


def test_reading_gives_what_the_files_say(folder: Path) -> None:
    assert read_title(folder / "manifest.json") == "cifar10-tiny-rot90, seed 0"
    first, second = read_metrics(folder / "metrics.csv")
    assert "val/loss" not in first and math.isnan(second["train/loss"])
    assert (second["epoch"], second["val/accuracy"]) == (2.0, 0.55)
    assert set(read_kernels(folder / "weights" / "final.safetensors")) == set(LAYERS)
    rows = read_symmetry(folder / "symmetry.csv")
    assert {row.band for row in rows if row.kind == "layer"} == {None}
    assert {row.band for row in rows if row.kind == "mean_kernel"} == {(0.27, 0.408, 0.6)}


def test_of_an_epoch_written_twice_the_later_row_counts(folder: Path) -> None:
    path = folder / "metrics.csv"
    path.write_text("epoch,lr\n1,0.1\n2,0.2\n2,0.3\n")
    assert read_metrics(path) == [{"epoch": 1.0, "lr": 0.1}, {"epoch": 2.0, "lr": 0.3}]


def _one_line_naming(folder: Path, name: str) -> str:
    with pytest.raises(SymscapeError) as error:
        draw_run(folder)
    message = str(error.value)
    assert "\n" not in message and message.startswith(str(folder / name))
    assert not (folder / "pictures").exists()
    return message


@pytest.mark.parametrize("name", RESULTS)
def test_a_missing_file_is_named(folder: Path, name: str) -> None:
    (folder / name).unlink()
    assert _one_line_naming(folder, name).endswith("no such file")


@pytest.mark.parametrize("name", RESULTS)
@pytest.mark.parametrize("content", [b"", b"\xff\x00 garbage \xfe\n\n", b"[1]\n2,3"])
def test_a_damaged_file_is_named(folder: Path, name: str, content: bytes) -> None:
    (folder / name).write_bytes(content)
    assert "cannot be read" in _one_line_naming(folder, name)


@pytest.mark.parametrize("name", RESULTS)
def test_a_folder_in_place_of_a_file_is_named(folder: Path, name: str) -> None:
    (folder / name).unlink()
    (folder / name).mkdir()
    _one_line_naming(folder, name)


@pytest.mark.parametrize("name", RESULTS[3:])
def test_a_truncated_file_of_weights_is_named(folder: Path, name: str) -> None:
    (folder / name).write_bytes((folder / name).read_bytes()[:-100])
    assert "cannot be read" in _one_line_naming(folder, name)


@pytest.mark.parametrize(
    ("name", "content", "says"),
    [
        ("manifest.json", '{"name": "x"}', "it must hold 'name' and 'seed'"),
        ("metrics.csv", "epoch,lr\n", "it has no rows"),
        ("metrics.csv", "step,lr\n1,0.1\n", "it lacks the columns epoch"),
        ("metrics.csv", "epoch,lr\n1,0.1\n2", "line 3 does not match the header"),
        ("metrics.csv", "epoch,lr\n1,fast\n", "line 2: could not convert string to float: 'fast'"),
        ("symmetry.csv", "epoch,layer,depth\n0,a,0\n", "it lacks the columns kind, group, value"),
        ("symmetry.csv", f"{','.join(SYMMETRY)}\n0,a,first,layer,total,1,,,\n", "line 2: invalid"),
    ],
)
def test_damage_is_located(folder: Path, name: str, content: str, says: str) -> None:
    (folder / name).write_text(content)
    assert says in _one_line_naming(folder, name)


def test_weights_without_a_spatial_convolution_are_refused(folder: Path) -> None:
    path = folder / "weights" / "final.safetensors"
    save_file({"head.weight": np.ones((10, 4), np.float32)}, path)
    assert "no convolution larger than 1x1" in _one_line_naming(folder, "weights/final.safetensors")
