"""Shards as processes of their own: at once, killed, redone, swept over."""

import signal
import time

import pytest

from tests.jobs.analysis.test_shards import made
from tests.jobs.study import copy_of
from tests.smoke.forked import Forked, forked

WORDS = (
    "study=tests",
    "points=7",
    "train_images=50",
    "bn_images=50",
    "test_images=50",
    "precision=float32",
    "shards=3",
)


@pytest.fixture
def place(study, tmp_path):
    copy_of(study, tmp_path).rename(tmp_path / "multirun")
    return tmp_path


def launch(place, shard):
    return Forked(place, "interpolate", *WORDS, f"shard={shard}")


@pytest.mark.slow
def test_a_killed_shard_costs_its_own_pairs_and_redone_it_completes_the_study(
    study, place, tmp_path
):
    shards = [launch(place, i) for i in range(3)]
    folder = place / "multirun" / "tests" / "interpolate"
    while not list(folder.glob("*/.*.json.lock")):
        time.sleep(0.02)
    shards[1].send_signal(signal.SIGKILL)
    assert [shard.wait(timeout=280) for shard in shards] == [0, -signal.SIGKILL, 0]
    kept = len(list(folder.glob("*/*.json")))
    assert 4 <= kept < 6
    again = forked(place, "interpolate", "-m", *WORDS, "shard=0,1,2")
    assert again.returncode == 0, again.stderr
    logs = [log.read_text() for log in (place / "multirun" / ".sweep").glob("*/*.log")]
    assert len(logs) == 3 and "".join(logs).count(": barrier train") == 6 - kept
    assert again.stdout.count("barrier (chord, loss in nats)") == 1
    copy_of(study, tmp_path / "one").rename(tmp_path / "one" / "multirun")
    one = forked(tmp_path / "one", "interpolate", *WORDS[:-1])
    assert one.returncode == 0, one.stderr
    expected = made(tmp_path / "one" / "multirun", "interpolate")
    assert len(expected) == 6 and made(place / "multirun", "interpolate") == expected
