"""What a person at a terminal sees."""

import os
import pty
import re
import subprocess

import pytest

from tests.smoke.door import TINY, command, environment


def screen(words: tuple[str, ...], folder: os.PathLike[str]) -> str:
    """Return all that a door writes to a terminal of 120 columns."""
    leader, follower = pty.openpty()
    process = subprocess.Popen(
        command("train", *words),
        cwd=folder,
        env=environment(COLUMNS="120", LINES="40", TERM="xterm-256color"),
        stdout=follower,
        stderr=follower,
        stdin=follower,
    )
    os.close(follower)
    shown = b""
    try:
        while data := os.read(leader, 65536):
            shown += data
    except OSError:  # Linux reports the end of a terminal so.
        pass
    os.close(leader)
    assert process.wait() == 0
    return shown.decode(errors="replace")


@pytest.mark.slow
def test_the_bar_shows_speed_loss_accuracy_and_remaining_time(tmp_path):
    words = (*TINY, "trainer.max_epochs=8", "trainer.limit_train_batches=20")
    shown = screen(words, tmp_path)
    for part in ("images/s", "loss", "val ", "left", "epoch", "%", "━"):
        assert part in shown
    assert "test accuracy" in shown and "├── data" in shown


@pytest.mark.slow
def test_a_sweep_shows_one_line_and_no_bars(tmp_path):
    shown = screen(("-m", *TINY, "trainer.max_epochs=20", "seed=0,1"), tmp_path)
    for part in ("1 running, 0 failed, 1 waiting", "1 done, 1 running"):
        assert part in shown
    # Which of the percentages the line is drawn at is the machine's business.
    assert re.search(r"0:\d\d:\d\d left, seed=1 \d+%", shown)
    assert "━" not in shown and "images/s" not in shown
    assert "seed=0: done" in shown and "sweep of 2 jobs" in shown
