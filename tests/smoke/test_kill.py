"""A run that is killed at any moment ends, launched again, with the same bits."""

import random
import signal
import time
from collections.abc import Callable
from contextlib import suppress
from pathlib import Path

import pytest

from symscape.runs.find import find_runs
from tests.smoke.door import TINY
from tests.smoke.forked import Forked, forked

EPOCHS = ("trainer.max_epochs=12", "trainer.limit_train_batches=8", "data.augment=true")


def wait_until(process: Forked, moment: Callable[[], bool]) -> bool:
    """Return whether the moment came before the process ended."""
    while process.poll() is None:
        if moment():
            return True
        time.sleep(0.002)  # The process needs the core more.
    return False


def final_weights(folder: Path) -> dict[str, str]:
    (run,) = find_runs(folder / "multirun", "default")
    assert run.state == "completed"
    return run.manifest.weights


def killed_then_finished(
    folder: Path, words: tuple[str, ...], moments: list[Callable[[], bool]]
) -> int:
    """Kill a process at each moment, then let one finish; return how many kills there were."""
    kills = 0
    for moment in moments:
        process = Forked(folder, "train", *words)
        if wait_until(process, moment):
            process.send_signal(signal.SIGKILL)
            kills += 1
        process.wait()
    result = forked(folder, "train", *words)
    assert result.returncode == 0, result.stderr
    return kills


def after(run: Path, rows: int, delay: float = 0.0) -> Callable[[], bool]:
    """Some time after the metrics of a study's run have a number of rows."""
    due: list[float] = []

    def moment() -> bool:
        tables = list(run.glob("*/seed=0/metrics.csv"))
        if tables and not due and len(tables[0].read_text().splitlines()) > rows:
            due.append(time.monotonic() + delay)
        return bool(due) and time.monotonic() > due[0]

    return moment


@pytest.mark.slow
def test_sigkill_at_random_moments(tmp_path):
    words = (*TINY, *EPOCHS)
    (tmp_path / "a").mkdir()
    (tmp_path / "b").mkdir()
    assert forked(tmp_path / "a", "train", *words).returncode == 0
    draw = random.Random(0)
    run = tmp_path / "b" / "multirun" / "default"

    def weights_begin() -> bool:
        return any(run.glob("*/seed=0/weights/*.part"))

    moments = [weights_begin, *(after(run, rows, draw.uniform(0, 0.3)) for rows in (1, 3, 6, 8))]
    assert killed_then_finished(tmp_path / "b", words, moments) >= 4
    assert final_weights(tmp_path / "a") == final_weights(tmp_path / "b")


@pytest.mark.slow
def test_sigkill_of_a_run_whose_grids_are_drawn(tmp_path):
    """Which pixels a stride keeps is a function of seed and step alone."""
    epochs = ("trainer.max_epochs=5", "trainer.limit_train_batches=8")
    words = (*TINY, *epochs, "model.downsample=sbpool", "symmetry=rot90")
    run = tmp_path / "b" / "multirun" / "default"
    for name in "ab":
        (tmp_path / name).mkdir()
    assert forked(tmp_path / "a", "train", *words).returncode == 0
    assert killed_then_finished(tmp_path / "b", words, [after(run, 2, 0.05)]) == 1
    assert final_weights(tmp_path / "a") == final_weights(tmp_path / "b")


@pytest.mark.slow
def test_sigkill_while_a_checkpoint_is_written(tmp_path):
    """A wide network makes the write long enough to hit, small images all else short."""
    words = (
        *(w for w in TINY if "width" not in w and "model" not in w),
        "model=resnet18",
        "model.width=48",
        "trainer.max_epochs=2",
        "trainer.limit_train_batches=1",
        "data.batch_size=4",
        "data.image_size=4",
        "trajectory=0",
    )
    (tmp_path / "a").mkdir()
    (tmp_path / "b").mkdir()
    assert forked(tmp_path / "a", "train", *words).returncode == 0
    run = tmp_path / "b" / "multirun" / "default"
    sizes: list[int] = []

    def checkpoint_half_written() -> bool:
        """The part is there, and still grows."""
        for part in run.glob("*/seed=0/checkpoints/last.ckpt.part"):
            with suppress(FileNotFoundError):
                sizes.append(part.stat().st_size)
                return True
        return False

    kills = killed_then_finished(tmp_path / "b", words, [checkpoint_half_written] * 3)
    (whole,) = run.glob("*/seed=0/checkpoints/last.ckpt")
    assert kills == 3 and any(size < whole.stat().st_size for size in sizes)
    assert final_weights(tmp_path / "a") == final_weights(tmp_path / "b")


@pytest.mark.slow
@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM, signal.SIGUSR2])
def test_a_signal_ends_in_one_line_and_leaves_a_resumable_run(tmp_path, number):
    words = (*TINY, *EPOCHS)
    process = Forked(tmp_path, "train", *words)
    wait_until(process, lambda: any(tmp_path.glob("multirun/default/*/seed=0/metrics.csv")))
    process.send_signal(number)
    out, err = process.communicate(timeout=60)
    assert process.returncode == 130
    assert err.strip() == "interrupted" and "the same command resumes" in out
    (run,) = find_runs(tmp_path / "multirun", "default")
    assert run.state == "interrupted"
    assert forked(tmp_path, "train", *words).returncode == 0


@pytest.mark.slow
def test_two_processes_on_one_run(tmp_path):
    words = (*TINY, *EPOCHS)
    first = Forked(tmp_path, "train", *words)
    wait_until(first, lambda: any(tmp_path.glob("multirun/default/*/.seed=0.lock")))
    second = forked(tmp_path, "train", *words)
    assert first.wait() == 0
    assert second.returncode == 1
    assert f"process {first.pid} is at work" in second.stderr
    assert len(second.stderr.strip().splitlines()) == 1
