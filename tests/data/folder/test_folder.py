"""A user's folder of images: what is read, what is refused, and with which line."""

from __future__ import annotations

import shutil
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from symscape.data.load import load_data
from symscape.errors import ConfigError, SymscapeError
from tests.data.folder.image_trees import config_of, make_tree, pack, read_pixels


def as_set(images: np.ndarray) -> set[bytes]:
    return {image.tobytes() for image in images}


def fails(root: Path, *words: str, **other: object) -> None:
    with pytest.raises(SymscapeError) as caught:
        load_data(config_of(root, **other))
    line = str(caught.value)
    assert "\n" not in line
    for word in words:
        assert word in line


def test_every_image_arrives_with_its_label(tree):
    data = load_data(config_of(tree))
    assert data.classes == ("cat", "dog")
    for split, images in (("train", data.train), ("test", data.test)):
        for label, name in enumerate(data.classes):
            found = images.images[images.labels == label].numpy()
            expected = [read_pixels(path) for path in (tree / split / name).iterdir()]
            assert as_set(found) == as_set(np.stack(expected))


@pytest.mark.parametrize("suffix", [".zip", ".tar", ".tar.gz", ".tar.bz2", ".tar.xz"])
@pytest.mark.parametrize("top", ["", "below/"])
def test_tree_and_archives_of_it_are_the_same_data(tree, tmp_path, suffix, top):
    expected = load_data(config_of(tree))
    archive = pack(tree, tmp_path / f"packed{suffix}", top.strip("/"))
    before = sorted(tmp_path.rglob("*"))
    data = load_data(config_of(archive, cache=str(tmp_path / "other")))
    assert data.content == expected.content
    assert np.array_equal(data.train.images, expected.train.images)
    assert np.array_equal(data.test.labels, expected.test.labels)
    new = set(tmp_path.rglob("*")) - set(before)
    assert all(tmp_path / "other" in (path, *path.parents) for path in new)


def test_greyscale_sets_have_one_channel_and_mixed_ones_three(tmp_path):
    grey = make_tree(tmp_path / "grey", channels=1)
    assert load_data(config_of(grey)).train.images.shape == (10, 1, 6, 8)
    Image.new("RGB", (8, 6), (9, 8, 7)).save(grey / "train" / "cat" / "0.png")
    data = load_data(config_of(grey))
    assert data.train.images.shape == (10, 3, 6, 8)
    assert (9, 8, 7) in {tuple(image[:, 0, 0].tolist()) for image in data.train.images}


def test_image_size_resizes_and_has_a_cache_of_its_own(tree):
    Image.new("RGB", (50, 20)).save(tree / "train" / "cat" / "big.png")
    small = load_data(config_of(tree, image_size=4))
    large = load_data(config_of(tree, image_size=9))
    assert small.train.images.shape[2:] == (4, 4)
    assert large.train.images.shape[2:] == (9, 9)
    assert small.content == large.content
    black = np.zeros((3, 4, 4), np.uint8)
    paths = [path for path in tree.glob("train/*/*.png") if path.name != "big.png"]
    pictures = [Image.open(path).resize((4, 4), Image.Resampling.BILINEAR) for path in paths]
    wanted = [np.asarray(picture).transpose(2, 0, 1) for picture in pictures]
    assert as_set(small.train.images.numpy()) == as_set(np.stack([black, *wanted]))


def test_more_images_than_one_process_decodes(tmp_path):
    tree = make_tree(tmp_path / "many", train=300, test=60, size=(4, 4))
    data = load_data(config_of(tree))
    for label, name in enumerate(data.classes):
        expected = [read_pixels(path) for path in (tree / "train" / name).iterdir()]
        found = data.train.images[data.train.labels == label].numpy()
        assert as_set(found) == as_set(np.stack(expected))
    (tree / "train" / "dog" / "150.png").write_bytes(b"no image")
    fails(tree, "broken image train/dog/150.png")


def test_hidden_files_and_those_of_operating_systems_are_ignored(tree):
    before = load_data(config_of(tree)).content
    for name in (".DS_Store", "train/.hidden", "train/cat/._0.png", "test/dog/Thumbs.db"):
        (tree / name).write_bytes(b"x")
    (tree / "train" / "__MACOSX").mkdir()
    (tree / "README.md").write_text("about")
    assert load_data(config_of(tree)).content == before


def test_links_in_a_tree_are_followed(tree, tmp_path):
    (tree / "test" / "cat").rename(tmp_path / "elsewhere")
    (tree / "test" / "cat").symlink_to(tmp_path / "elsewhere")
    assert len(load_data(config_of(tree)).test) == 4
    (tree / "test" / "cat" / "gone.png").symlink_to(tmp_path / "nowhere")
    fails(tree, "cannot read", "gone.png")


def test_a_missing_root_is_named(tmp_path):
    with pytest.raises(ConfigError, match=r"data.root=.*nowhere: there is no such folder"):
        load_data(config_of(tmp_path / "nowhere"))


def test_an_empty_folder_is_named(tmp_path):
    (tmp_path / "empty").mkdir()
    fails(tmp_path / "empty", "empty: needs the folders train/<class>/ and test/<class>/, has noth")


def test_other_folders_are_named_where_train_and_test_are_missing(tmp_path):
    (tmp_path / "a" / "training").mkdir(parents=True)
    fails(tmp_path / "a", "needs the folders train/<class>/", "has training")


@pytest.mark.parametrize("split", ["train", "test"])
def test_a_missing_part_is_named(tree, split):
    shutil.rmtree(tree / split)
    fails(tree, f"has no {split}/")


def test_a_class_in_one_part_alone_is_named(tree):
    shutil.copytree(tree / "train" / "cat", tree / "train" / "emu")
    fails(tree, "class emu is in train/ alone, needed in test/ too")


def test_a_class_without_images_is_named(tree):
    (tree / "train" / "emu").mkdir()
    shutil.copytree(tree / "train" / "cat", tree / "test" / "emu")
    fails(tree, "class emu has no images in train/emu/")
    fails(pack(tree, tree.parent / "a.tar"), "class emu has no images in train/emu/")


@pytest.mark.parametrize("name", ["train/0.png", "train/cat/more/0.png"])
def test_files_at_another_depth_are_named(tree, name):
    (tree / name).parent.mkdir(exist_ok=True)
    shutil.copy(tree / "train" / "cat" / "0.png", tree / name)
    fails(tree, "lies outside train/<class>/ and test/<class>/", "/".join(name.split("/")[:3]))


@pytest.mark.parametrize("content", [b"", b"text", "half"])
def test_a_broken_image_is_named(tree, content):
    path = tree / "test" / "dog" / "1.png"
    path.write_bytes(path.read_bytes()[:90] if content == "half" else content)
    fails(tree, "broken image test/dog/1.png")


def test_deep_pixels_are_refused_not_falsified(tree):
    Image.fromarray(np.full((6, 8), 40_000, np.uint16)).save(tree / "test" / "dog" / "1.png")
    fails(tree, "broken image test/dog/1.png", "only 8 bits a channel")


def test_two_sizes_are_named_with_the_way_out(tree):
    Image.new("RGB", (7, 5)).save(tree / "train" / "dog" / "2.png")
    fails(tree, "train/cat/0.png is 6x8", "train/dog/2.png is 5x7", "set data.image_size=N")


def test_a_file_that_is_no_archive_is_named(tmp_path):
    (tmp_path / "notes.txt").write_text("hello")
    fails(tmp_path / "notes.txt", "notes.txt: neither a folder nor a zip or tar archive")


def test_the_order_of_files_leaves_no_trace(tree, tmp_path):
    import tarfile

    paths = sorted(path for path in tree.rglob("*.png"))
    with tarfile.open(tmp_path / "backwards.tar", "w") as out:
        for path in reversed(paths):
            out.add(path, path.relative_to(tree))
    one = load_data(config_of(tree))
    two = load_data(config_of(tmp_path / "backwards.tar", cache=str(tmp_path / "c")))
    assert one.content == two.content
    assert np.array_equal(one.train.images, two.train.images)
