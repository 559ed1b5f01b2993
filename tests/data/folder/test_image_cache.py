"""Decoded images are kept whole or not at all, and found again without reading the source."""

from __future__ import annotations

import errno
import json
import os
import re
import signal
import subprocess
import sys
import time
from pathlib import Path

import numpy as np
import pytest

from symscape.data.content import content_key
from symscape.data.folder import cache
from symscape.data.folder import load as folder
from symscape.data.folder.keys import CACHE, cache_folder
from symscape.data.folder.tree import Tree
from symscape.data.load import load_data
from symscape.errors import SymscapeError
from tests.data.folder.image_trees import config_of, make_tree, pack


def finished(place: Path) -> list[Path]:
    return [
        path for path in place.iterdir() if not path.name.startswith(".") and path.name != "keys"
    ]


def drafts(place: Path) -> list[Path]:
    return list(place.glob(".draft*"))


def test_the_cache_lies_beside_the_tree_or_where_the_user_wants_it(tree, tmp_path):
    load_data(config_of(tree))
    assert len(finished(tree.parent / CACHE)) == 1
    load_data(config_of(tree, cache=str(tmp_path / "mine" / "deep")))
    assert len(finished(tmp_path / "mine" / "deep")) == 1


@pytest.mark.parametrize("packed", [False, True])
def test_a_second_load_touches_no_image(tree, tmp_path, monkeypatch, packed):
    source = pack(tree, tmp_path / "a.tar.xz") if packed else tree
    first = load_data(config_of(source))

    def read(*_):
        raise AssertionError("an image was read")

    monkeypatch.setattr(Tree, "read", read)
    monkeypatch.setattr("symscape.data.folder.archive.Archive.read", read)
    monkeypatch.setattr(folder, "build", read)
    second = load_data(config_of(source))
    assert second.content == first.content
    assert np.array_equal(second.train.images, first.train.images)


def test_arrays_are_mapped_and_writing_to_them_changes_no_file(tree):
    place = finished_of(tree)
    arrays, _ = cache.read_cache(place)
    assert isinstance(arrays["train_images"], np.memmap)
    arrays["train_images"][:] = 0
    assert cache.read_cache(place)[0]["train_images"].any()


def finished_of(tree: Path) -> Path:
    load_data(config_of(tree))
    return finished(tree.parent / CACHE)[0]


def test_the_key_follows_content_not_place_or_time(tree, tmp_path):
    key = content_key(config_of(tree))
    os.utime(tree / "train" / "cat" / "0.png", (1, 1))
    assert content_key(config_of(tree)) == key
    moved = tree.rename(tmp_path / "moved")
    assert content_key(config_of(moved)) == key
    (moved / "train" / "cat" / "0.png").rename(moved / "train" / "cat" / "renamed.png")
    renamed = content_key(config_of(moved))
    assert renamed != key
    (moved / "train" / "cat" / "1.png").write_bytes((moved / "test/dog/0.png").read_bytes())
    assert content_key(config_of(moved)) not in (key, renamed)


def test_other_data_sets_have_their_name_as_key():
    from symscape.config.data import DataConfig

    assert [content_key(DataConfig(name=name)) for name in ("digits", "cifar10", "cifar100")] == [
        "digits",
        "cifar10",
        "cifar100",
    ]


def test_a_known_key_loads_neither_torch_nor_numpy(tree):
    key = content_key(config_of(tree))
    code = (
        "import sys; from symscape.config.data import DataConfig\n"
        "from symscape.data.content import content_key\n"
        f"print(content_key(DataConfig(name='folder', root={str(tree)!r})))\n"
        "print([name for name in ('torch', 'torchvision', 'sklearn', 'numpy', 'PIL', 'rich')"
        " if name in sys.modules])"
    )
    out = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert out.stdout.split("\n")[:2] == [key, "[]"]


@pytest.mark.parametrize("damage", ["cut", "altered", "missing", "index", "format"])
def test_a_damaged_cache_is_named(tree, damage):
    place = finished_of(tree)
    path = place / ("index.json" if damage in ("index", "format") else "train_images.npy")
    data = bytearray(path.read_bytes())
    data[len(data) // 2] ^= 1
    if damage == "format":
        path.write_text(path.read_text().replace('"format": 1', '"format": 99'))
    elif damage == "missing":
        path.unlink()
    else:
        path.write_bytes(data[:-9] if damage in ("cut", "index") else data)
    with pytest.raises(SymscapeError, match=re.escape(f"damaged cache {place}")) as caught:
        load_data(config_of(tree))
    assert path.name in str(caught.value)
    assert "\n" not in str(caught.value)


def test_a_pickled_array_in_the_cache_is_not_executed(tree, tmp_path):
    place = finished_of(tree)

    class Evil:
        def __reduce__(self):
            return (Path.touch, (tmp_path / "executed",))

    path = place / "test_labels.npy"
    np.save(path, np.array([Evil()], dtype=object), allow_pickle=True)
    table = json.loads((place / "index.json").read_text())
    table["files"]["test_labels.npy"] = {
        "bytes": path.stat().st_size,
        "sha256": cache.file_hash(path),
    }
    (place / "index.json").write_text(json.dumps(table))
    with pytest.raises(SymscapeError, match="damaged cache"):
        load_data(config_of(tree))
    assert not (tmp_path / "executed").exists()


def test_a_full_disk_is_one_line_and_leaves_nothing(tree, monkeypatch):
    def full(*_):
        raise OSError(errno.ENOSPC, "No space left on device")

    monkeypatch.setattr("symscape.data.folder.spool.write_array", full)
    with pytest.raises(
        SymscapeError, match=r"data.cache=.*the disk is full.*set data.cache=FOLDER"
    ):
        load_data(config_of(tree))
    place = cache_folder(config_of(tree))
    assert not finished(place)
    assert not drafts(place)
    monkeypatch.undo()
    assert len(load_data(config_of(tree)).train) == 10


def test_a_place_that_cannot_be_written_is_named_with_the_way_out(tree, tmp_path):
    (tmp_path / "file").write_text("in the way")
    with pytest.raises(SymscapeError, match=r"data.cache=.*file: cannot keep.*set data.cache=FOLD"):
        load_data(config_of(tree, cache=str(tmp_path / "file")))


def test_a_broken_source_leaves_no_cache(tree):
    (tree / "test" / "dog" / "1.png").write_bytes(b"x")
    place = cache_folder(config_of(tree))
    with pytest.raises(SymscapeError, match="broken image"):
        load_data(config_of(tree))
    assert not finished(place)
    assert not drafts(place)


LOAD = (
    "import sys; from symscape.config.data import DataConfig\n"
    "from symscape.data.load import load_data\n"
    "print('ready', flush=True)\n"
    "data = load_data(DataConfig(name='folder', root=sys.argv[1], batch_size=2))\n"
    "print(len(data.train), data.content)"
)


def start(tree: Path) -> subprocess.Popen[str]:
    return subprocess.Popen(
        [sys.executable, "-c", LOAD, str(tree)], stdout=subprocess.PIPE, text=True
    )


def test_a_kill_in_the_middle_leaves_nothing_that_counts_as_whole(tmp_path):
    tree = make_tree(tmp_path / "images", train=600, test=20, size=(16, 16))
    place = tmp_path / CACHE
    child = start(tree)
    assert child.stdout is not None
    child.stdout.readline()
    deadline = time.monotonic() + 20
    while not (place.exists() and drafts(place)) and time.monotonic() < deadline:
        time.sleep(0.001)
    child.send_signal(signal.SIGKILL)
    child.wait()
    child.stdout.close()
    assert drafts(place)
    assert not finished(place)
    assert len(load_data(config_of(tree)).train) == 1200
    assert len(finished(place)) == 1
    assert not drafts(place)


def test_two_processes_at_once_end_with_one_whole_cache(tmp_path):
    tree = make_tree(tmp_path / "images", train=50, test=5)
    children = [start(tree) for _ in range(2)]
    outputs = [child.communicate(timeout=60)[0] for child in children]
    assert outputs[0] == outputs[1] != ""
    assert len(finished(tmp_path / CACHE)) == 1
    assert not drafts(tmp_path / CACHE)


def test_the_slower_of_two_writers_leaves_the_result_of_the_faster(tmp_path):
    final = tmp_path / "final"
    with cache.draft(final) as slower:
        with cache.draft(final) as faster:
            (faster / "by").write_text("faster")
        (slower / "by").write_text("slower")
    assert (final / "by").read_text() == "faster"
    assert not drafts(tmp_path)
