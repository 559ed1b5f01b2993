"""A signal ends the work on images soon, and leaves nothing that is half done."""

from __future__ import annotations

import os
import signal
import sys
import threading
from collections.abc import Callable, Iterator
from concurrent.futures import Future
from contextlib import contextmanager
from pathlib import Path

import pytest
import torch

from symscape.config.data import DataConfig
from symscape.data.batches import Batches
from symscape.data.decoding import processes
from symscape.data.decoding.processes import Processes, result_of
from symscape.data.folder import cache, spool
from symscape.data.folder.archive import Archive, Stoppable
from symscape.data.folder.keys import CACHE
from symscape.data.folder.tree import Tree
from symscape.data.images import ImageSet, channel_stats, channels_last
from symscape.data.load import load_data, pixel_key
from symscape.data.lock import exclusive
from symscape.data.resize import resized
from symscape.data.sets import cifar
from symscape.stopping import SIGNALS, stoppable
from tests.data.folder.image_trees import config_of, make_tree, pack


def send() -> None:
    os.kill(os.getpid(), signal.SIGTERM)


@contextmanager
def ended() -> Iterator[None]:
    """Expect that a signal ends the block."""
    with pytest.raises(KeyboardInterrupt, match="SIGTERM"), stoppable():
        yield


def at(count: int, of: Callable[..., Iterator[object]]) -> Callable[..., Iterator[object]]:
    """Return a generator function that sends a signal with its item number `count`."""

    def sending(*args: object) -> Iterator[object]:
        for number, item in enumerate(of(*args)):
            if number == count:
                send()
            yield item

    return sending


def left(place: Path) -> set[str]:
    return {path.name for path in place.iterdir()} - {".lock"}


def images(count: int = 20) -> ImageSet:
    pixels = torch.arange(count * 12).view(count, 2, 2, 3) % 256
    return channels_last(pixels.byte(), torch.arange(count))


@pytest.mark.parametrize("suffix", ["", ".zip", ".tar.xz"])
def test_a_signal_at_any_image_leaves_no_cache_and_no_draft(tree, tmp_path, monkeypatch, suffix):
    kind = Archive if suffix else Tree
    config = config_of(pack(tree, tmp_path / f"a{suffix}") if suffix else tree)
    for count in range(14):
        with monkeypatch.context() as patch:
            patch.setattr(kind, "read", at(count, kind.read))
            with ended():
                load_data(config)
        assert not left(tmp_path / CACHE)
    assert len(load_data(config).train) == 10


def test_a_signal_at_any_block_that_is_written_leaves_no_cache_and_no_draft(tree, monkeypatch):
    monkeypatch.setattr(spool, "BLOCK", 1)
    for count in range(10):
        with monkeypatch.context() as patch:
            patch.setattr(spool, "picked", at(count, spool.picked))
            with ended():
                load_data(config_of(tree))
        assert not left(tree.parent / CACHE)
    assert len(load_data(config_of(tree)).train) == 10


@pytest.mark.parametrize("count", [350, 599])
def test_decoding_processes_end_with_it(tmp_path, monkeypatch, count):
    config = config_of(make_tree(tmp_path / "many", train=250, test=50, size=(4, 4)))
    children, start = [], processes.start

    def noted():
        children.append(start())
        return children[-1]

    monkeypatch.setattr(processes, "start", noted)
    with monkeypatch.context() as patch:
        patch.setattr(Tree, "read", at(count, Tree.read))
        with ended():
            load_data(config)
    assert children and all(child.poll() is not None for child in children)
    assert not left(tmp_path / CACHE)
    assert len(load_data(config).train) == 500


def test_decoding_processes_leave_signals_to_their_parent(tree):
    data = (tree / "train" / "cat" / "0.png").read_bytes()
    with Processes(None) as decoding:
        for child in decoding.children:
            for number in SIGNALS:
                child.send_signal(number)
        [(_, size, _)] = decoding.submit([("0.png", data)]).result()
    assert size == (6, 8)
    assert {child.returncode for child in decoding.children} == {0}


def test_starting_them_leaves_this_process_its_signals():
    with Processes(None):
        assert not signal.pthread_sigmask(signal.SIG_BLOCK, ()) & set(SIGNALS)


@pytest.mark.parametrize(
    "work",
    [
        lambda place: result_of(Future()),
        lambda place: cache.file_hash(place / "file"),
        lambda place: Stoppable((place / "file").open("rb", buffering=0)).read(1),
        lambda place: resized(images(), 3),
        lambda place: pixel_key(images()),
        lambda place: channel_stats(images().images),
    ],
)
def test_long_work_ends_at_its_next_step(tmp_path, work):
    (tmp_path / "file").write_bytes(b"x")
    with ended():
        send()
        work(tmp_path)


def test_waiting_for_another_process_ends(tmp_path):
    with exclusive(tmp_path), ended():
        send()
        with exclusive(tmp_path):
            pytest.fail("both hold it")
    with exclusive(tmp_path):
        pass


def test_a_download_that_hangs_is_left_and_the_folder_is_free(tmp_path, monkeypatch):
    never, out = threading.Event(), sys.stdout

    def hanging(folder: Path, train: bool, download: bool = False) -> None:
        if not download:
            raise RuntimeError("not there")
        send()
        never.wait()

    monkeypatch.setitem(cifar.SOURCES, "cifar10", hanging)
    try:
        with ended():
            load_data(DataConfig(name="cifar10", root=str(tmp_path)))
        assert sys.stdout is out
        with exclusive(tmp_path):
            pass
    finally:
        never.set()


def shown() -> Batches:
    return Batches(
        images(), batch_size=2, mean=(0.0,) * 3, std=(1.0,) * 3, device="cpu", shuffle=False
    )


@pytest.mark.parametrize("count", range(9))
def test_no_batch_comes_after_a_signal(count):
    seen = []
    with ended():
        for number, batch in enumerate(shown()):
            seen.append(batch)
            if number == count:
                send()
    assert len(seen) == count + 1


def test_a_signal_in_the_last_batch_is_too_late():
    with stoppable():
        for number, _ in enumerate(shown()):
            if number == 9:
                send()


def test_threads_show_all_their_batches():
    seen: list[int] = []
    thread = threading.Thread(target=lambda: seen.extend(len(y) for _, y in shown()))
    with stoppable():
        send()
        thread.start()
        thread.join()
    assert sum(seen) == 20
