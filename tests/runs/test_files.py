"""What is on disk is whole, locked, and read without executing anything."""

import csv
import errno
import json
import multiprocessing
import os
import pickle
import signal
import time
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest
import torch
from safetensors.torch import save_file

from symscape.config.data import DataConfig
from symscape.config.groups import SymmetryConfig
from symscape.config.train import TrainConfig
from symscape.errors import SymscapeError
from symscape.models.weights import fill_network
from symscape.runs.configs import read_config, write_config
from symscape.runs.files import replacing, write_text
from symscape.runs.find import find_runs, open_run, read_figures
from symscape.runs.lock import is_locked, locked
from symscape.runs.manifest import Manifest, read_manifest, write_manifest
from symscape.runs.tables import append_rows, keep_epochs
from symscape.runs.weights import content_hash, read_weights, save_weights


def one_line(error: pytest.ExceptionInfo[SymscapeError], path: Path) -> str:
    text = str(error.value)
    assert "\n" not in text and str(path) in text
    return text


class Malice:
    """Pickles into a call that leaves a mark."""

    def __init__(self, mark: Path) -> None:
        self.mark = mark

    def __reduce__(self):
        return Path.touch, (self.mark,)


@pytest.fixture
def state() -> dict[str, torch.Tensor]:
    generator = torch.Generator().manual_seed(0)
    return {
        "conv.weight": torch.randn(4, 3, 3, 3, generator=generator).to(
            memory_format=torch.channels_last
        ),
        "norm.num_batches_tracked": torch.tensor(7),
    }


def test_weights_come_back_bit_by_bit(tmp_path, state):
    path = tmp_path / "weights" / "final.safetensors"
    digest = save_weights(path, state, {"step": 3})
    again, metadata = read_weights(path)
    assert all(torch.equal(state[k], again[k]) for k in state)
    assert metadata == {"step": 3, "sha256": digest}
    assert digest == content_hash(state) == content_hash(again)


def test_content_hash_sees_names_types_shapes_and_bytes(state):
    def changed(**tensors):
        return content_hash({**state, **tensors})

    kernel = state["conv.weight"]
    variants = [
        content_hash(state),
        changed(**{"conv.weight": kernel.double()}),
        changed(**{"conv.weight": kernel.flatten()}),
        changed(**{"conv.weight": -kernel}),
        content_hash({"other": kernel}),
    ]
    assert len(set(variants)) == len(variants)


def test_a_flipped_bit_is_found(tmp_path, state):
    path = tmp_path / "final.safetensors"
    save_weights(path, state, {})
    raw = bytearray(path.read_bytes())
    raw[-3] ^= 1
    path.write_bytes(raw)
    with pytest.raises(SymscapeError) as error:
        read_weights(path)
    assert "damaged" in one_line(error, path)


@pytest.mark.parametrize("content", [b"", b"not weights", b"\x08" + b"\0" * 40])
def test_foreign_weights_are_refused(tmp_path, content):
    path = tmp_path / "final.safetensors"
    path.write_bytes(content)
    with pytest.raises(SymscapeError) as error:
        read_weights(path)
    one_line(error, path)


def test_weights_without_our_metadata_are_refused(tmp_path):
    path = tmp_path / "final.safetensors"
    save_file({"a": torch.ones(2)}, path)
    with pytest.raises(SymscapeError) as error:
        read_weights(path)
    one_line(error, path)


def test_a_malicious_pickle_is_not_executed(tmp_path):
    path, mark = tmp_path / "final.safetensors", tmp_path / "mark"
    path.write_bytes(pickle.dumps(Malice(mark)))
    with pytest.raises(SymscapeError):
        read_weights(path)
    assert not mark.exists()
    pickle.loads(path.read_bytes())
    assert mark.exists(), "the pickle was no danger, so the test shows nothing"


def test_weights_of_another_architecture_are_refused(tmp_path):
    path = tmp_path / "final.safetensors"
    network = torch.nn.Linear(2, 3)
    for state, found in [
        ({"weight": torch.ones(3, 2)}, "bias is in the network alone"),
        ({"weight": torch.ones(3, 4), "bias": torch.ones(3)}, r"weight is \(3, 4\)"),
        ({"weight": torch.full((3, 2), torch.nan), "bias": torch.ones(3)}, "not finite"),
    ]:
        with pytest.raises(SymscapeError, match=found) as error:
            fill_network(network, state, path)
        one_line(error, path)


def test_a_failed_write_leaves_the_old_file(tmp_path):
    path = tmp_path / "file"
    write_text(path, "old")
    with pytest.raises(SymscapeError, match="No space left") as error, replacing(path) as part:
        part.write_text("half")
        raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))
    one_line(error, path)
    assert path.read_text() == "old"
    assert list(tmp_path.iterdir()) == [path]


def test_a_full_disk_is_one_line(state):
    """/dev/full is a disk that is always full."""
    if not Path("/dev/full").exists():
        pytest.skip("this system has no /dev/full")
    path = Path("/dev/full")
    with pytest.raises(SymscapeError, match="No space left"):
        append_rows(path, [{"epoch": 1}])


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


def hold(folder: Path, ready, die: bool) -> None:
    with locked(folder):
        ready.set()
        if die:
            os.kill(os.getpid(), signal.SIGKILL)
        signal.pause()


@pytest.mark.parametrize("die", [False, True])
def test_a_lock_excludes_others_until_its_holder_dies(tmp_path, die):
    folder = tmp_path / "seed=0"
    context = multiprocessing.get_context("spawn")
    ready = context.Event()
    process = context.Process(target=hold, args=(folder, ready, die))
    process.start()
    assert ready.wait(60)
    if not die:
        assert is_locked(folder)
        with (
            pytest.raises(SymscapeError, match=f"process {process.pid} is at work"),
            locked(folder),
        ):
            pass
        process.kill()
    process.join()
    assert not is_locked(folder)
    with locked(folder):
        assert is_locked(folder)
    assert not is_locked(folder)


def test_a_lock_of_nothing_leaves_no_trace(tmp_path):
    with pytest.raises(ValueError, match="no data"), locked(tmp_path / "study" / "a" / "seed=0"):
        raise ValueError("no data")
    assert list(tmp_path.iterdir()) == []
    with locked(tmp_path / "study" / "a" / "seed=0"):
        (tmp_path / "study" / "other").mkdir()
    assert [p.name for p in (tmp_path / "study").iterdir()] == ["other"]
    with locked(tmp_path / "study" / "seed=0"):
        (tmp_path / "study" / "seed=0").mkdir()
    assert (tmp_path / "study" / ".seed=0.lock").exists()


def count_up(folder: Path, times: int) -> None:
    """Add to a number in a file, which two at once would do wrongly."""
    tally = folder.parent / "tally"
    for _ in range(times):
        with locked(folder, wait=30):
            value = int(tally.read_text() or 0)
            time.sleep(0.001)
            tally.write_text(str(value + 1))


def test_a_lock_whose_file_is_removed_excludes_those_who_wait_for_it(tmp_path):
    (tmp_path / "tally").write_text("0")
    with ThreadPoolExecutor() as pool:  # A lock excludes other handles, of one process too.
        for done in [pool.submit(count_up, tmp_path / "x", 40) for _ in range(3)]:
            done.result()
    assert (tmp_path / "tally").read_text() == "120"
    assert [p.name for p in tmp_path.iterdir()] == ["tally"]


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


def make_run(root: Path, study: str, seed: int, status: str = "completed") -> Path:
    folder = root / study / "digits-x-1" / f"seed={seed}"
    write_manifest(folder, Manifest("digits-x-1", seed, "1", status=status))
    write_config(folder, TrainConfig(seed=seed, study=study))
    return folder


def test_runs_of_a_study_are_found_in_order_and_those_set_aside_are_not(tmp_path):
    for seed, status in [(10, "completed"), (2, "failed"), (1, "running")]:
        make_run(tmp_path, "kernels", seed, status)
    make_run(tmp_path, "kernels", 3).rename(tmp_path / "kernels/digits-x-1/seed=3.aside-2026")
    runs = find_runs(tmp_path, "kernels")
    assert [(r.config.seed, r.state) for r in runs] == [
        (1, "interrupted"),
        (2, "failed"),
        (10, "completed"),
    ]
    with locked(runs[0].folder):
        assert runs[0].state == "running"


def test_an_unknown_study_gets_the_nearest_name(tmp_path):
    make_run(tmp_path, "kernels", 0)
    with pytest.raises(SymscapeError, match="study=kernel: did you mean 'kernels'"):
        find_runs(tmp_path, "kernel")
    with pytest.raises(SymscapeError, match="no study is below"):
        find_runs(tmp_path / "nowhere", "kernels")
    with pytest.raises(SymscapeError, match="no run here"):
        open_run(tmp_path)
