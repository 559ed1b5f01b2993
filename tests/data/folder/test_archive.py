"""Archives are read in place, and what could leave them is refused."""

from __future__ import annotations

import io
import stat
import tarfile
import zipfile
from pathlib import Path

import pytest

from symscape.data.folder.layout import Layout
from symscape.data.folder.source import open_source
from symscape.data.load import load_data
from symscape.errors import SymscapeError
from tests.data.folder.image_trees import config_of, pack


def reading(path: Path) -> list[str]:
    return [name for name, _ in open_source(config_of(path)).read(Layout(str(path)))]


def tar_with(tree: Path, archive: Path, member: tarfile.TarInfo, data: bytes = b"x") -> Path:
    pack(tree, archive)
    with tarfile.open(archive, "a") as out:
        member.size = len(data) if member.isfile() else 0
        out.addfile(member, io.BytesIO(data))
    return archive


@pytest.mark.parametrize("name", ["../evil.png", "/evil.png", "train/cat/../../../evil.png"])
@pytest.mark.parametrize("suffix", ["tar", "zip"])
def test_a_member_that_leads_outside_is_refused_and_nothing_is_written(
    tree, tmp_path, name, suffix
):
    archive = tmp_path / "inner" / f"a.{suffix}"
    archive.parent.mkdir()
    if suffix == "tar":
        tar_with(tree, archive, tarfile.TarInfo(name))
    else:
        pack(tree, archive)
        with zipfile.ZipFile(archive, "a") as out:
            out.writestr(name, b"x")
    with pytest.raises(SymscapeError, match="a path that leads outside") as caught:
        load_data(config_of(archive))
    assert name in str(caught.value)
    assert not list(tmp_path.rglob("*evil*"))
    assert not Path("/evil.png").exists()


@pytest.mark.parametrize(
    "kind", [tarfile.SYMTYPE, tarfile.LNKTYPE, tarfile.CHRTYPE, tarfile.FIFOTYPE]
)
def test_links_and_devices_are_refused(tree, tmp_path, kind):
    member = tarfile.TarInfo("train/cat/link.png")
    member.type, member.linkname = kind, "/etc/passwd"
    archive = tar_with(tree, tmp_path / "a.tar", member)
    with pytest.raises(SymscapeError, match=r"train/cat/link.png is a link or a device"):
        load_data(config_of(archive))


def test_links_in_a_zip_are_refused(tree, tmp_path):
    archive = pack(tree, tmp_path / "a.zip")
    link = zipfile.ZipInfo("train/cat/link.png")
    link.external_attr = (stat.S_IFLNK | 0o777) << 16
    with zipfile.ZipFile(archive, "a") as out:
        out.writestr(link, "/etc/passwd")
    with pytest.raises(SymscapeError, match=r"train/cat/link.png is a link or a device"):
        load_data(config_of(archive))


def test_an_image_that_is_there_twice_is_named(tree, tmp_path):
    archive = tar_with(tree, tmp_path / "a.tar", tarfile.TarInfo("train/cat/0.png"))
    with pytest.raises(SymscapeError, match=r"train/cat/0.png is there twice"):
        reading(archive)


def test_two_trees_are_named(tree, tmp_path):
    archive = tar_with(tree, tmp_path / "a.tar", tarfile.TarInfo("old/train/cat/0.png"))
    with pytest.raises(SymscapeError, match="holds two trees, below '/' and 'old/'"):
        reading(archive)


def test_files_beside_the_tree_are_ignored(tree, tmp_path):
    archive = tar_with(tree, tmp_path / "a.tar", tarfile.TarInfo("LICENSE"))
    assert len(reading(archive)) == 14


@pytest.mark.parametrize("suffix", ["zip", "tar", "tar.gz", "tar.bz2", "tar.xz"])
def test_a_cut_archive_is_named(tree, tmp_path, suffix):
    archive = pack(tree, tmp_path / f"a.{suffix}")
    data = archive.read_bytes()
    archive.write_bytes(data[: len(data) // 2])
    with pytest.raises(SymscapeError, match=rf"a\.{suffix}: (broken archive|neither)"):
        load_data(config_of(archive))


def test_an_encrypted_zip_is_named(tree, tmp_path):
    archive = pack(tree, tmp_path / "a.zip")
    data = bytearray(archive.read_bytes())
    for magic, flags in ((b"PK\x03\x04", 6), (b"PK\x01\x02", 8)):  # Set the bit "encrypted".
        at = -1
        while (at := data.find(magic, at + 1)) >= 0:
            data[at + flags] |= 1
    archive.write_bytes(data)
    with pytest.raises(SymscapeError, match=r"a\.zip: broken archive .*encrypted"):
        load_data(config_of(archive))


def test_an_archive_without_a_tree_says_what_it_has(tmp_path):
    with zipfile.ZipFile(tmp_path / "a.zip", "w") as out:
        out.writestr("notes/readme.txt", "x")
    with pytest.raises(SymscapeError, match=r"needs the folders train/<class>/.* has notes"):
        load_data(config_of(tmp_path / "a.zip"))
