"""A disk that fills up while a run writes."""

import os
import subprocess
from collections.abc import Iterator
from pathlib import Path

import pytest

from symscape.runs.find import find_runs
from tests.smoke.door import TINY
from tests.smoke.forked import forked

WORDS = (*TINY, "model.width=16", "trainer.max_epochs=3")


@pytest.fixture
def small_disk(tmp_path: Path) -> Iterator[Path]:
    """A file system of two megabytes: room for a start, not for a run."""
    place = tmp_path / "disk"
    place.mkdir()
    mount = ["mount", "-t", "tmpfs", "-o", "size=2m", "tmpfs", str(place)]
    if os.geteuid() != 0 or subprocess.run(mount, check=False, capture_output=True).returncode:
        pytest.skip("mounting a small disk needs root")
    yield place
    subprocess.run(["umount", "-l", str(place)], check=True)


@pytest.mark.slow
def test_a_full_disk_is_one_line_and_a_larger_one_finishes_the_run(small_disk, tmp_path):
    for _ in ("the disk fills", "the disk is full already"):
        result = forked(small_disk, "train", *WORDS)
        assert result.returncode == 1
        assert len(result.stderr.strip().splitlines()) == 1, result.stderr
        assert "No space left" in result.stderr
    whole = [p for p in small_disk.rglob("*") if p.is_file() and p.suffix != ".part"]
    assert not any(p.suffix == ".part" for p in small_disk.rglob("*")), "half files are cleared"
    assert whole, "what was written before is kept"
    subprocess.run(["mount", "-o", "remount,size=60m", str(small_disk)], check=True)
    assert forked(small_disk, "train", *WORDS).returncode == 0
    (tmp_path / "other").mkdir()
    assert forked(tmp_path / "other", "train", *WORDS).returncode == 0
    (full,) = find_runs(small_disk / "multirun", "default")
    (other,) = find_runs(tmp_path / "other" / "multirun", "default")
    assert full.manifest.weights == other.manifest.weights
