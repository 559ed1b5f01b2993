"""STL-10: read packed or not, the right way up, and nothing else than what was published."""

from __future__ import annotations

import numpy as np
import pytest
from torchvision.datasets import STL10

from symscape.config.data import DataConfig
from symscape.data.load import load_data
from symscape.data.sets import stl10
from symscape.data.sets.stl10 import FILE, MD5, URL, load_stl10
from symscape.errors import ConfigError
from tests.data.sets.publishers import labels_of, md5, noise, tar

TRAIN, TEST = noise(1, 20, 96, 96, 3), noise(2, 10, 96, 96, 3)
FILES = {
    "test_X.bin": TEST.transpose(0, 3, 2, 1).tobytes(),
    "test_y.bin": (labels_of(10) + 1).tobytes(),
    "train_X.bin": TRAIN.transpose(0, 3, 2, 1).tobytes(),
    "train_y.bin": (labels_of(20) + 1).tobytes(),
}
SUMS = {name: md5(FILES[name]) for name in MD5}


def write(root, files=FILES):
    root.mkdir(parents=True, exist_ok=True)
    for name, data in files.items():
        (root / name).write_bytes(data)
    return root


def pack(root, files=FILES, last=b"unlabelled"):
    members = {f"stl10_binary/{name}": data for name, data in files.items()}
    tar(root / FILE, {**members, "stl10_binary/unlabeled_X.bin": last})
    return root


def check(parts):
    train, test, classes = parts
    assert classes[2] == "car"
    for part, published in ((train, TRAIN), (test, TEST)):
        found = {
            image.permute(1, 2, 0).numpy().tobytes(): label
            for image, label in zip(part.images, part.labels.tolist(), strict=True)
        }
        labels = labels_of(len(published)).tolist()
        known = {image.tobytes(): label for image, label in zip(published, labels, strict=True)}
        assert found == known


@pytest.mark.parametrize("place", ["folder", "its parent", "archive", "the archive's folder"])
def test_wherever_it_is_it_is_read_the_right_way_up(place, tmp_path):
    root = tmp_path
    if place == "folder" or "parent" in place:
        folder = write(tmp_path / "stl10_binary")
        root = folder if place == "folder" else tmp_path
    else:
        pack(tmp_path)
        root = tmp_path / FILE if place == "archive" else tmp_path
    before = sorted(tmp_path.rglob("*"))
    check(load_stl10(str(root), SUMS))
    assert sorted(tmp_path.rglob("*")) == before


def test_it_reads_what_torchvision_reads(tmp_path, monkeypatch):
    write(tmp_path / "stl10_binary")
    monkeypatch.setattr(STL10, "_check_integrity", lambda self: True)
    theirs = STL10(tmp_path, split="test")
    ours = load_stl10(str(tmp_path), SUMS)[1]
    known = {image.tobytes(): int(label) for image, label in zip(*both(theirs), strict=True)}
    found = {
        image.contiguous().numpy().tobytes(): label
        for image, label in zip(ours.images, ours.labels.tolist(), strict=True)
    }
    assert found == known


def both(source):
    return source.data, source.labels


def test_sums_are_those_of_torchvision():
    published = dict(STL10.train_list + STL10.test_list)
    assert {name: published[name] for name in MD5} == MD5
    assert STL10.url == URL


def test_images_after_the_last_file_are_not_read(tmp_path):
    """An archive that is cut within the unlabelled images is good enough."""
    pack(tmp_path, last=np.random.default_rng(0).bytes(1 << 20))
    path = tmp_path / FILE
    path.write_bytes(path.read_bytes()[: -(1 << 19)])
    check(load_stl10(str(path), SUMS))


@pytest.mark.parametrize("name", FILES)
@pytest.mark.parametrize("packed", [True, False])
def test_a_damaged_or_missing_file_is_named(name, packed, tmp_path):
    for damage in ("altered", "missing"):
        files = {**FILES, name: b"other"}
        if damage == "missing":
            del files[name]
        root = tmp_path / damage
        write(root / "stl10_binary", {})
        pack(root, files) if packed else write(root / "stl10_binary", files)
        with pytest.raises(ConfigError) as caught:
            load_stl10(str(root), SUMS)
        line = str(caught.value)
        assert line.startswith("data.root=") and line.endswith(URL)
        assert ("stl10_binary" if name == "train_X.bin" and not packed else name) in line


def test_a_cut_archive_and_what_is_no_archive_are_one_line(tmp_path):
    pack(tmp_path)
    path = tmp_path / FILE
    for data in (path.read_bytes()[:300], b"no archive", b""):
        path.write_bytes(data)
        with pytest.raises(ConfigError) as caught:
            load_stl10(str(tmp_path), SUMS)
        line = str(caught.value)
        assert "\n" not in line and URL in line


def test_nothing_there_is_one_line(tmp_path):
    for root in (None, str(tmp_path), str(tmp_path / "none")):
        said = root or "null"
        with pytest.raises(ConfigError, match=rf"^data.root={said}: data=stl10 .*{FILE}.* {URL}"):
            load_data(DataConfig("stl10", root=root))


def test_it_is_loaded_by_name_in_any_size(tmp_path, monkeypatch):
    write(tmp_path)
    monkeypatch.setattr(stl10, "MD5", SUMS)
    data = load_data(DataConfig("stl10", root=str(tmp_path), image_size=48, batch_size=4))
    assert data.test.images.shape == (10, 3, 48, 48)
    assert data.classes == stl10.CLASSES
