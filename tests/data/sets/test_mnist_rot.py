"""The published turned MNIST digits: what is read, which way up, and what is refused."""

from __future__ import annotations

import numpy as np
import pytest

from symscape.config.data import DataConfig
from symscape.data.load import load_data
from symscape.data.sets import mnist_rot
from symscape.data.sets.mnist_rot import FILE, URL, load_mnist_rot
from symscape.errors import ConfigError
from tests.data.sets.publishers import labels_of, noise, table, zipped

TRAIN, TEST = noise(1, 40, 28, 28), noise(2, 30, 28, 28)
TABLES = {
    "mnist_all_rotation_normalized_float_train_valid.amat": table(TRAIN, labels_of(40)),
    "mnist_all_rotation_normalized_float_test.amat": table(TEST, labels_of(30)),
}


@pytest.fixture
def archive(tmp_path):
    path = tmp_path / FILE
    return path, zipped(path, TABLES)


@pytest.mark.parametrize("place", ["file", "folder"])
def test_rows_become_images_the_right_way_up(archive, place):
    path, md5 = archive
    train, test, classes = load_mnist_rot(str(path if place == "file" else path.parent), md5)
    assert classes == tuple("0123456789")
    for part, published in ((train, TRAIN), (test, TEST)):
        assert part.images.shape == (len(published), 1, 28, 28)
        labels = labels_of(len(published)).tolist()
        known = {image.tobytes(): label for image, label in zip(published, labels, strict=True)}
        found = {
            image[0].numpy().tobytes(): label
            for image, label in zip(part.images, part.labels.tolist(), strict=True)
        }
        assert found == known


def test_blocks_of_rows_leave_no_trace(archive, monkeypatch):
    path, md5 = archive
    whole = load_mnist_rot(str(path), md5)[0]
    monkeypatch.setattr(mnist_rot, "ROWS", 7)
    found = load_mnist_rot(str(path), md5)[0]
    assert (found.images == whole.images).all()
    assert (found.labels == whole.labels).all()


def test_a_share_of_every_class_is_held_out(archive, monkeypatch):
    path, md5 = archive
    monkeypatch.setattr(mnist_rot.load_mnist_rot, "__defaults__", (md5,))
    data = load_data(DataConfig("mnist_rot", root=str(path), val_fraction=0.25, batch_size=4))
    assert data.val.labels.bincount().tolist() == [1] * 10
    assert (len(data.train), len(data.test)) == (30, 30)


def test_values_are_rounded_to_levels(tmp_path):
    """Neither cut off nor wrapped around."""
    row = np.zeros(785)
    row[:4] = [1.0, 0.999, 0.4999 / 255, 1.6 / 255]
    text = " ".join(map(str, row)).encode() + b"\n"
    md5 = zipped(tmp_path / FILE, dict.fromkeys(TABLES, text))
    image = load_mnist_rot(str(tmp_path), md5)[0].images[0, 0]
    assert image[:4, 0].tolist() == [255, 255, 0, 2]


def test_without_a_path_one_line_says_where_to_get_it():
    with pytest.raises(ConfigError) as caught:
        load_data(DataConfig("mnist_rot"))
    assert str(caught.value) == (
        f"data.root=null: data=mnist_rot needs data.root=PATH of {FILE} or its folder; "
        f"get it from {URL}"
    )


def test_a_missing_file_is_one_line(tmp_path):
    for root in (tmp_path, tmp_path / "none.zip"):
        with pytest.raises(ConfigError) as caught:
            load_data(DataConfig("mnist_rot", root=str(root)))
        assert str(caught.value) == (
            f"data.root={root}: data=mnist_rot finds no {FILE} there; get it from {URL}"
        )


def test_another_archive_is_refused_by_its_sum(archive):
    path, md5 = archive
    with pytest.raises(ConfigError) as caught:
        load_data(DataConfig("mnist_rot", root=str(path)))
    line = str(caught.value)
    assert "\n" not in line
    for part in (f"data.root={path}", md5, "0f9a947ff3d30e95cd685462cbf3b847", URL):
        assert part in line


@pytest.mark.parametrize("damage", ["no zip", "no table", "short row", "words", "empty"])
def test_what_holds_something_else_is_one_line(tmp_path, damage):
    path = tmp_path / FILE
    text = {"short row": b"0 1 2\n", "words": b"a b\n", "empty": b""}.get(damage, b"")
    files = {"other": b""} if damage == "no table" else dict.fromkeys(TABLES, text)
    md5 = zipped(path, files)
    if damage == "no zip":
        path.write_bytes(b"PK")
        md5 = mnist_rot.md5_of(path)
    with pytest.raises(ConfigError, match=r"no archive of two tables of 785") as caught:
        load_mnist_rot(str(path), md5)
    assert "\n" not in str(caught.value)
