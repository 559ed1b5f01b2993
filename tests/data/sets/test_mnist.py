"""MNIST at random sizes: which images, drawn how, and what is refused."""

from __future__ import annotations

import time

import numpy as np
import pytest
import torch
from torchvision.datasets import MNIST

from symscape.config.data import DataConfig
from symscape.data.load import load_data
from symscape.data.sets import mnist
from symscape.data.turned import FACTOR_SEEDS, scaled, uniform
from symscape.errors import SymscapeError
from tests.data.sets.publishers import idx, labels_of, md5, mnist_files, noise, write_mnist

NAMES = ("mnist_scale", "mnist_rot_scale")
FILES = mnist_files(60, 30)


@pytest.fixture(autouse=True)
def offline(monkeypatch):
    """No test reaches the real server, with or without a network."""
    monkeypatch.setattr(MNIST, "mirrors", ["http://127.0.0.1:9/"])
    for name in ("http_proxy", "https_proxy", "all_proxy"):
        monkeypatch.delenv(name, raising=False)
        monkeypatch.delenv(name.upper(), raising=False)


@pytest.fixture
def few(monkeypatch):
    """Ninety images stand for the 70,000."""
    monkeypatch.setattr(mnist, "MD5", {name: md5(data) for name, data in FILES.items()})
    monkeypatch.setattr(mnist, "TRAIN", 40)
    monkeypatch.setattr(mnist, "TEST", 30)


def config(name, root, **other):
    return DataConfig(name, root=str(root), batch_size=2, **other)


@pytest.mark.parametrize("name", NAMES)
def test_parts_are_stratified_and_the_same_for_every_run(name, tmp_path, few):
    write_mnist(tmp_path, FILES)
    data = load_data(config(name, tmp_path, val_fraction=0.25))
    assert (len(data.train), len(data.val), len(data.test)) == (30, 10, 30)
    assert data.train.images.shape[1:] == (1, 28, 28)
    for part, each in ((data.train, 3), (data.val, 1), (data.test, 3)):
        assert part.labels.bincount().tolist() == [each] * 10
    assert data.content == load_data(config(name, tmp_path)).content


def originals() -> torch.Tensor:
    images = [torch.from_numpy(noise(seed, n, 28, 28)) for seed, n in ((0, 60), (1, 30))]
    return torch.cat(images)[:, None]


def test_each_image_is_one_of_mnist_shrunk_by_its_own_factor(tmp_path, few):
    write_mnist(tmp_path, FILES)
    data = load_data(config("mnist_scale", tmp_path, val_fraction=0))
    labels = torch.from_numpy(labels_of(60)).tolist() + torch.from_numpy(labels_of(30)).tolist()
    used = set()
    for part, name in ((data.train, "train"), (data.test, "test")):
        factors = uniform(FACTOR_SEEDS[name], 0.3, 1, len(part))
        for image, label, factor in zip(part.images, part.labels.tolist(), factors, strict=True):
            every = scaled(originals(), factor.expand(90))
            (which,) = (every == image).flatten(1).all(1).nonzero().flatten().tolist()
            assert labels[which] == label
            used.add(which)
    assert len(used) == 70


def test_turned_ones_are_other_images_of_the_same_digits(tmp_path, few):
    write_mnist(tmp_path, FILES)
    upright, rotated = (load_data(config(name, tmp_path)) for name in NAMES)
    assert torch.equal(upright.test.labels, rotated.test.labels)
    same = (upright.test.images == rotated.test.images).flatten(1).all(1)
    assert not same.any()


def test_shrunk_images_lie_in_the_middle(tmp_path, few, monkeypatch):
    """White images show which square they fill: its side is the factor."""
    white = {
        f"{part}-images-idx3-ubyte": idx(np.full((count, 28, 28), 255, np.uint8))
        for part, count in (("train", 60), ("t10k", 30))
    }
    white = {name: white.get(name, data) for name, data in FILES.items()}
    monkeypatch.setattr(mnist, "MD5", {name: md5(data) for name, data in white.items()})
    write_mnist(tmp_path, white)
    data = load_data(config("mnist_scale", tmp_path, val_fraction=0))
    share = data.train.images.double().mean((1, 2, 3)) / 255
    factors = uniform(FACTOR_SEEDS["train"], 0.3, 1, 40)
    assert (share.sqrt() - factors).abs().max() < 0.03


def test_packed_files_put_there_by_hand_are_unpacked(tmp_path, few, monkeypatch, capfd):
    write_mnist(tmp_path, FILES, packed=True)
    packed = (tmp_path / "MNIST" / "raw").iterdir()
    sums = [(path.name, md5(path.read_bytes())) for path in sorted(packed)]
    monkeypatch.setattr(MNIST, "resources", sums)
    assert len(load_data(config("mnist_scale", tmp_path)).test) == 30
    assert capfd.readouterr() == ("", "")


@pytest.mark.parametrize("name", NAMES)
def test_without_a_network_one_line_says_what_to_do_and_soon(name, tmp_path, capfd):
    start = time.monotonic()
    with pytest.raises(SymscapeError) as caught:
        load_data(config(name, tmp_path / "here"))
    assert time.monotonic() - start < 10
    line = str(caught.value)
    assert "\n" not in line
    raw = tmp_path / "here" / "MNIST" / "raw"
    for part in (
        f"data={name}",
        "http://127.0.0.1:9/",
        "train-images-idx3-ubyte.gz",
        f"into {raw}",
    ):
        assert part in line
    assert capfd.readouterr() == ("", "")


@pytest.mark.parametrize("file", FILES)
def test_a_damaged_file_is_named_and_not_read(file, tmp_path, few):
    damaged = bytearray(FILES[file])
    damaged[-1] ^= 1
    write_mnist(tmp_path, {**FILES, file: bytes(damaged)})
    with pytest.raises(SymscapeError, match=f"{file} is damaged: remove it") as caught:
        load_data(config("mnist_scale", tmp_path))
    assert "\n" not in str(caught.value)
    assert sorted(p.name for p in (tmp_path / "MNIST" / "raw").iterdir()) == sorted(FILES)
