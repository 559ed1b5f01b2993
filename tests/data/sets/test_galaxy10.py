"""Galaxy10: a fixed stratified fifth is tested, and a file is what it should be."""

from __future__ import annotations

import sys
from pathlib import Path

import numpy as np
import pytest
import torch

from symscape.config.data import DataConfig
from symscape.data.load import load_data
from symscape.errors import ConfigError, SymscapeError
from tests.data.sets.publishers import noise

h5py = pytest.importorskip("h5py")

# As many of a class with 17 members as there are, and some of the others.
LABELS = np.repeat(np.arange(10), [20, 30, 25, 20, 20, 17, 20, 20, 20, 20]).astype(np.uint8)
IMAGES = noise(0, len(LABELS), 69, 69, 3)


def write(path: Path, **datasets: np.ndarray) -> Path:
    with h5py.File(path, "w") as file:
        for name, values in datasets.items():
            file[name] = values
    return path


def config(root: Path | str | None, **other: object) -> DataConfig:
    return DataConfig("galaxy10", root=root and str(root), batch_size=4, **other)  # type: ignore[arg-type]


@pytest.mark.parametrize("place", ["file", "folder"])
def test_every_image_keeps_its_label_and_is_in_one_part(tmp_path, place):
    path = write(tmp_path / "Galaxy10.h5", images=IMAGES, ans=LABELS)
    data = load_data(config(path if place == "file" else tmp_path))
    known = {image.tobytes(): int(label) for image, label in zip(IMAGES, LABELS, strict=True)}
    count = 0
    for part in (data.train, data.val, data.test):
        count += len(part)
        for image, label in zip(part.images, part.labels.tolist(), strict=True):
            assert known[image.permute(1, 2, 0).numpy().tobytes()] == label
    assert count == len(known) == len(LABELS)
    assert data.classes[5] == "edge-on disk, boxy bulge"


def test_the_test_part_is_a_stratified_fifth_and_the_smallest_class_is_everywhere(tmp_path):
    path = write(tmp_path / "g.h5", images=IMAGES, ans=LABELS)
    data = load_data(config(path))
    share = data.test.labels.bincount().numpy() - 0.2 * np.bincount(LABELS)
    assert abs(share).max() <= 0.5
    found = [int((part.labels == 5).sum()) for part in (data.train, data.val, data.test)]
    assert found == [13, 1, 3]


def test_all_runs_see_the_same_parts(tmp_path):
    path = write(tmp_path / "g.h5", images=IMAGES, ans=LABELS)
    one, two = load_data(config(path)), load_data(config(path, val_fraction=0.3))
    assert torch.equal(one.test.images, two.test.images)
    assert one.content == two.content


def test_labels_of_any_integer_type_are_read(tmp_path):
    path = write(tmp_path / "g.h5", images=IMAGES, ans=LABELS.astype(np.float32))
    assert load_data(config(path)).test.labels.dtype == torch.int64


@pytest.mark.parametrize(
    ("images", "labels", "found"),
    [
        (IMAGES[:, :68], LABELS, r"`images` uint8 \(212, 68, 69, 3\)"),
        (IMAGES.astype(np.float32), LABELS, "`images` float32"),
        (IMAGES[1:], LABELS, r"\(211, 69, 69, 3\) with `ans` \(212,\)"),
        (IMAGES, np.eye(10, dtype=np.uint8)[LABELS], r"with `ans` \(212, 10\)"),
        (IMAGES, LABELS + 1, "`ans` with other labels, not each of 0 to 9"),
        (IMAGES, LABELS.clip(0, 8), "`ans` with other labels, not each of 0 to 9"),
        (IMAGES, LABELS + 0.5 * (LABELS == 3), "`ans` with other labels"),
    ],
)
def test_a_file_of_something_else_is_one_line(tmp_path, images, labels, found):
    path = write(tmp_path / "g.h5", images=images, ans=labels)
    with pytest.raises(ConfigError, match=found) as caught:
        load_data(config(path))
    line = str(caught.value)
    assert line.startswith(f"data.root={path}: ") and "zenodo" in line and "\n" not in line


@pytest.mark.parametrize("damage", ["cut", "no hdf5", "no ans", "a group"])
def test_a_damaged_file_is_one_line(tmp_path, damage):
    path = write(
        tmp_path / "g.h5", images=IMAGES, **({} if damage == "no ans" else {"ans": LABELS})
    )
    if damage == "cut":
        path.write_bytes(path.read_bytes()[:100_000])
    elif damage == "no hdf5":
        path.write_bytes(b"no")
    elif damage == "a group":
        with h5py.File(path, "w") as file:
            file.create_group("images")
            file["ans"] = LABELS
    with pytest.raises(ConfigError, match=r"no HDF5 file with `images` and `ans`") as caught:
        load_data(config(path))
    assert "\n" not in str(caught.value)


def test_nothing_there_is_one_line(tmp_path):
    for root in (None, tmp_path, tmp_path / "none"):
        with pytest.raises(ConfigError, match=r"data=galaxy10 .*Galaxy10.h5.*zenodo"):
            load_data(config(root))


def test_without_h5py_the_extra_is_named(tmp_path, monkeypatch):
    path = write(tmp_path / "g.h5", images=IMAGES, ans=LABELS)
    monkeypatch.setitem(sys.modules, "h5py", None)
    with pytest.raises(SymscapeError) as caught:
        load_data(config(path))
    assert str(caught.value) == (
        "data=galaxy10: h5py is not installed; pip install 'symscape[galaxy]'"
    )
