"""Manifests, configs, tables on disk are whole, and read through the schema."""

import csv
import errno
import json
import os

import pytest

from symscape.config.data import DataConfig
from symscape.config.groups import SymmetryConfig
from symscape.config.train import TrainConfig
from symscape.errors import SymscapeError
from symscape.runs.configs import read_config, write_config
from symscape.runs.files import replacing, write_text
from symscape.runs.find import read_figures
from symscape.runs.manifest import Manifest, read_manifest, write_manifest
from symscape.runs.tables import append_rows, keep_epochs
from tests.runs.refusals import one_line


def test_a_failed_write_leaves_the_old_file(tmp_path):
    path = tmp_path / "file"
    write_text(path, "old")
    with pytest.raises(SymscapeError, match="No space left") as error, replacing(path) as part:
        part.write_text("half")
        raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))
    one_line(error, path)
    assert path.read_text() == "old"
    assert list(tmp_path.iterdir()) == [path]


def test_manifest_comes_back(tmp_path):
    manifest = Manifest("name", 0, "abc", data={"classes": ["a"]}, weights={"final": "x"})
    assert read_manifest(tmp_path) is None
    write_manifest(tmp_path, manifest)
    assert read_manifest(tmp_path) == manifest


@pytest.mark.parametrize(
    "text", ["", "{", "[]", "{}", '{"schema_version": 1, "name": "x", "seed": "zero"}']
)
def test_a_damaged_manifest_is_named(tmp_path, text):
    path = tmp_path / "manifest.json"
    path.write_text(text)
    with pytest.raises(SymscapeError) as error:
        read_manifest(tmp_path)
    one_line(error, path)


def test_a_later_manifest_is_refused_and_unknown_entries_are_passed_over(tmp_path):
    manifest = Manifest("name", 0, "abc")
    write_manifest(tmp_path, manifest)
    path = tmp_path / "manifest.json"
    entries = json.loads(path.read_text())
    path.write_text(json.dumps({**entries, "added_later": 1}))
    assert read_manifest(tmp_path) == manifest
    path.write_text(json.dumps({**entries, "schema_version": 99}))
    with pytest.raises(SymscapeError, match="later version"):
        read_manifest(tmp_path)


def test_config_comes_back_through_the_schema(tmp_path):
    config = TrainConfig(
        seed=4, data=DataConfig(augment=True), symmetry=SymmetryConfig("rot90", layers=["stem"])
    )
    write_config(tmp_path, config)
    assert read_config(tmp_path) == config


@pytest.mark.parametrize(
    "text",
    [
        "",
        "seed: [",
        "seed: abc",
        "unknown: 1",
        "_target_: os.system",
        "study: ${oc.env:HOME}",
        "!!python/object/apply:os.system ['true']",
        "symmetry: {name: rot45}",
    ],
)
def test_a_foreign_config_is_refused(tmp_path, text):
    path = tmp_path / "config.yaml"
    path.write_text(text)
    with pytest.raises(SymscapeError) as error:
        read_config(tmp_path)
    one_line(error, path)


def test_figures_of_earlier_versions_have_their_name_of_today(tmp_path):
    (tmp_path / "metrics.json").write_text('{"turned/change": 0.5, "change/rot90": 0.1}')
    assert read_figures(tmp_path) == {"turned/displacement": 0.5, "change/rot90": 0.1}
    (tmp_path / "metrics.json").write_text("[1]")
    with pytest.raises(SymscapeError) as error:
        read_figures(tmp_path)
    one_line(error, tmp_path / "metrics.json")


def test_tables_grow_and_shrink(tmp_path):
    path = tmp_path / "metrics.csv"
    for epoch in range(1, 5):
        append_rows(path, [{"epoch": epoch, "loss": epoch / 3}])
    with path.open("a") as file:
        file.write("5")  # a crash in the middle of a line
    keep_epochs(path, 3)
    rows = list(csv.DictReader(path.open()))
    assert [int(r["epoch"]) for r in rows] == [1, 2, 3]
    assert float(rows[2]["loss"]) == 1.0
