"""CIFAR: the way out without a network, verification, and what a whole copy gives."""

from __future__ import annotations

import hashlib
import io
import pickle
import tarfile
import time
from dataclasses import replace
from pathlib import Path
from shutil import unpack_archive

import numpy as np
import pytest
import torch

from symscape.config.data import DataConfig
from symscape.data.load import load_data, upright_test
from symscape.data.resize import resized
from symscape.data.sets.cifar import SOURCES
from symscape.data.turned import turned_set
from symscape.errors import SymscapeError

UNREACHABLE = "http://127.0.0.1:9/"


@pytest.fixture(autouse=True)
def offline(monkeypatch):
    """No test reaches the real server, with or without a network."""
    for source in SOURCES.values():
        monkeypatch.setattr(source, "url", UNREACHABLE + source.filename)
    for name in ("http_proxy", "https_proxy", "all_proxy"):
        monkeypatch.delenv(name, raising=False)
        monkeypatch.delenv(name.upper(), raising=False)


def config(name: str, root: Path) -> DataConfig:
    return DataConfig(name=name, root=str(root), batch_size=2)


def md5(data: bytes) -> str:
    return hashlib.md5(data, usedforsecurity=False).hexdigest()


def tiny_archive(monkeypatch, name: str, images: dict[str, np.ndarray]) -> bytes:
    """Return a well-formed archive of few images, and let torchvision expect its md5 sums."""
    source = SOURCES[name]
    key, meta_key = (
        ("labels", "label_names") if name == "cifar10" else ("fine_labels", "fine_label_names")
    )
    meta = pickle.dumps({meta_key: [f"class{i}" for i in range(10)]})
    files = {
        part: pickle.dumps({"data": pixels, key: [i % 10 for i in range(len(pixels))]})
        for part, pixels in images.items()
    }
    sums = [[part, md5(data)] for part, data in files.items()]
    monkeypatch.setattr(source, "train_list", sums[:-1])
    monkeypatch.setattr(source, "test_list", sums[-1:])
    monkeypatch.setattr(source, "meta", {**source.meta, "md5": md5(meta)})
    buffer = io.BytesIO()
    with tarfile.open(fileobj=buffer, mode="w:gz") as out:
        for part, data in {**files, source.meta["filename"]: meta}.items():
            member = tarfile.TarInfo(f"{source.base_folder}/{part}")
            member.size = len(data)
            out.addfile(member, io.BytesIO(data))
    monkeypatch.setattr(source, "tgz_md5", md5(buffer.getvalue()))
    return buffer.getvalue()


def planar(count: int, seed: int) -> np.ndarray:
    return np.random.default_rng(seed).integers(0, 256, (count, 3072), dtype=np.uint8)


@pytest.mark.parametrize("name", ["cifar10", "cifar100", "cifar10_rot"])
def test_without_a_network_one_line_says_what_to_do_and_soon(name, tmp_path, capfd):
    start = time.monotonic()
    with pytest.raises(SymscapeError) as caught:
        load_data(config(name, tmp_path / "cifar"))
    assert time.monotonic() - start < 10
    line, archive = str(caught.value), SOURCES[name].filename
    assert "\n" not in line
    assert line.startswith(f"data={name}: ")
    for part in (UNREACHABLE + archive, f"put {archive} into {tmp_path / 'cifar'}", "data=digits"):
        assert part in line
    assert capfd.readouterr() == ("", "")


@pytest.mark.parametrize("name", ["cifar10", "cifar100"])
def test_an_archive_put_there_by_hand_is_read(name, tmp_path, monkeypatch, capfd):
    first, second, last = planar(20, 1), planar(20, 2), planar(10, 3)
    images = {"data_batch_1": first, "data_batch_2": second, "test_batch": last}
    archive = tiny_archive(monkeypatch, name, images)
    (tmp_path / SOURCES[name].filename).write_bytes(archive)
    data = load_data(config(name, tmp_path))
    assert (len(data.train), len(data.val), len(data.test)) == (40, 0, 10)
    assert data.classes[3] == "class3"
    expected = {row.tobytes() for row in np.concatenate([first, second])}
    assert {image.numpy().tobytes() for image in data.train.images} == expected
    for image, label in zip(data.test.images, data.test.labels.tolist(), strict=True):
        assert np.array_equal(image.flatten(), last[label])
    assert capfd.readouterr() == ("", "")


def test_images_come_in_the_size_that_is_asked_for(tmp_path, monkeypatch):
    images = {"data_batch_1": planar(20, 1), "test_batch": planar(10, 3)}
    archive = tiny_archive(monkeypatch, "cifar10", images)
    (tmp_path / SOURCES["cifar10"].filename).write_bytes(archive)
    native, data = (
        load_data(replace(config("cifar10", tmp_path), image_size=size)) for size in (None, 48)
    )
    assert data.test.images.shape == (10, 3, 48, 48)
    assert torch.equal(data.test.images, resized(native.test, 48).images)
    assert data.content != native.content


def test_turned_cifar_is_cifar_turned(tmp_path, monkeypatch):
    images = {"data_batch_1": planar(20, 1), "test_batch": planar(10, 3)}
    archive = tiny_archive(monkeypatch, "cifar10", images)
    (tmp_path / SOURCES["cifar10"].filename).write_bytes(archive)
    settings = config("cifar10_rot", tmp_path)
    upright, both, only = (
        load_data(each)
        for each in (config("cifar10", tmp_path), settings, replace(settings, turned="test"))
    )
    assert torch.equal(upright_test(settings, both).images, upright.test.images)
    assert torch.equal(both.test.labels, upright.test.labels)
    assert torch.equal(both.test.images, turned_set(upright.test, "test").images)
    assert torch.equal(only.test.images, both.test.images)
    assert torch.equal(only.train.images, upright.train.images)
    assert not (both.train.images == upright.train.images).flatten(1).all(1).any()
    assert len({upright.content, both.content, only.content}) == 3
    smaller = replace(settings, image_size=16)
    expected = resized(upright.test, 16).images
    assert torch.equal(upright_test(smaller, load_data(smaller)).images, expected)


def test_unpacked_files_are_read_from_a_folder_that_cannot_be_written(tmp_path, monkeypatch):
    images = {"data_batch_1": planar(20, 1), "test_batch": planar(10, 3)}
    (tmp_path / "archive").write_bytes(tiny_archive(monkeypatch, "cifar10", images))
    unpack_archive(tmp_path / "archive", tmp_path / "root", "gztar")
    before = sorted(tmp_path.rglob("*"))
    assert len(load_data(config("cifar10", tmp_path / "root")).test) == 10
    assert sorted(tmp_path.rglob("*")) == before


def test_a_damaged_archive_is_not_read(tmp_path, monkeypatch):
    archive = tiny_archive(
        monkeypatch, "cifar10", {"data_batch_1": planar(20, 1), "test_batch": planar(10, 3)}
    )
    (tmp_path / SOURCES["cifar10"].filename).write_bytes(archive[:-20])
    with pytest.raises(SymscapeError, match=r"data=cifar10: no whole copy in .*data=digits"):
        load_data(config("cifar10", tmp_path))


@pytest.mark.parametrize("name", ["data_batch_1", "batches.meta"])
def test_an_altered_file_is_never_executed(name, tmp_path, monkeypatch):
    images = {"data_batch_1": planar(20, 1), "test_batch": planar(10, 3)}
    (tmp_path / "archive").write_bytes(tiny_archive(monkeypatch, "cifar10", images))
    unpack_archive(tmp_path / "archive", tmp_path, "gztar")

    class Evil:
        def __reduce__(self):
            return (Path.touch, (tmp_path / "executed",))

    (tmp_path / SOURCES["cifar10"].base_folder / name).write_bytes(pickle.dumps(Evil()))
    with pytest.raises(SymscapeError, match="data=digits"):
        load_data(config("cifar10", tmp_path))
    assert not (tmp_path / "executed").exists()
