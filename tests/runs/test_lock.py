"""A lock: one holder, until it dies."""

import multiprocessing
import os
import signal
import time
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest

from symscape.errors import SymscapeError
from symscape.runs.lock import is_locked, locked


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
