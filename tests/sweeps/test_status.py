"""What a sweep says of itself while it runs; times are made up."""

from datetime import UTC, datetime
from pathlib import Path

import pytest

from symscape.sweeps.job import Job, Outcome
from symscape.sweeps.pace import Pace, Span, at_once, remaining
from symscape.sweeps.plan import Plan
from symscape.sweeps.status import Status

EPOCHS = 10


class Sweep:
    """A sweep on paper: jobs of ten epochs, and a clock."""

    def __init__(self, folder: Path, jobs: int, *, rows: tuple[int, ...] = ()) -> None:
        self.now = 0.0
        self.jobs = [
            Job(n, f"seed={n}", lambda: 0.5, folder / f"{n}.log", folder / str(n), EPOCHS)
            for n in range(jobs)
        ]
        for number, done in enumerate(rows):
            self.write(number, done)
        self.status = Status(Plan([job.label for job in self.jobs], self.jobs, {}), self.time)

    def time(self) -> float:
        return self.now

    def write(self, number: int, rows: int) -> None:
        folder = self.jobs[number].folder
        folder.mkdir(exist_ok=True)
        (folder / "metrics.csv").write_text("epoch\n" + "x\n" * rows)

    def at(self, now: float, **rows: int) -> str:
        """Return the line at a time when jobs have so many rows: j0=1 is one of the first job."""
        self.now = now
        for name, number in rows.items():
            self.jobs[int(name[1:])].log.touch()
            self.write(int(name[1:]), number)
        return self.status.line()

    def end(self, number: int, seconds: float, state: str = "done") -> None:
        self.status.planned.outcomes[number] = Outcome(state, 0.5, seconds=seconds)


def left(line: str) -> str:
    """Return the remaining time that a line names, if it does."""
    return "".join(part.removesuffix(" left") for part in line.split(", ") if "left" in part)


def test_the_line_counts_jobs(tmp_path):
    sweep = Sweep(tmp_path, 4)
    sweep.status.planned.outcomes[9] = Outcome("skipped")
    assert sweep.at(0) == "0 done, 1 skipped, 0 running, 0 failed, 4 waiting"
    sweep.end(0, 20)
    sweep.end(2, 1, "failed")
    assert sweep.at(20, j1=5).startswith("1 done, 1 skipped, 1 running, 1 failed, 1 waiting")
    assert sweep.at(20).endswith(", seed=1 50%")


def test_no_time_is_named_before_something_tells_how_fast_it_goes(tmp_path):
    """Starting took a hundred seconds, and an epoch will take one."""
    sweep = Sweep(tmp_path, 4)
    assert [left(sweep.at(now, j0=0)) for now in (0, 50, 99)] == ["", "", ""]
    assert left(sweep.at(101, j0=1)) == ""
    # Eight epochs of this job, and three jobs of ten.
    assert left(sweep.at(102, j0=2)) == "0:00:38"
    assert left(sweep.at(102.5)) == "0:00:38" and left(sweep.at(103)) == "0:00:37"


def test_what_a_job_needs_beside_its_epochs_counts_once_one_has_ended(tmp_path):
    sweep = Sweep(tmp_path, 3)
    sweep.at(6, j0=1)
    assert left(sweep.at(15, j0=10)) == "0:00:20"
    sweep.end(0, 17)
    # Two jobs of 5 + 10 + 2 seconds; then one has been starting for 4, and has begun for 6.
    assert left(sweep.at(17)) == "0:00:34"
    assert left(sweep.at(17, j1=0)) == "0:00:34" and left(sweep.at(21)) == "0:00:30"
    assert left(sweep.at(23, j1=1)) == "0:00:26"


def test_jobs_that_run_at_once_share_the_rest(tmp_path):
    sweep = Sweep(tmp_path, 4)
    sweep.at(10, j0=1, j1=1)
    assert left(sweep.at(12, j0=3, j1=3)) == "0:00:17"
    # The last one takes what it takes, however many others end meanwhile.
    for number in (1, 2):
        sweep.end(number, 10)
    assert left(sweep.at(12, j3=0)) == "0:00:10"


def test_a_resumed_run_counts_from_where_it_began(tmp_path):
    sweep = Sweep(tmp_path, 2, rows=(5, 8))
    assert left(sweep.at(10, j0=5)) == ""
    assert left(sweep.at(20, j0=6)) == ""
    assert left(sweep.at(22, j0=7)) == "0:00:10"
    sweep.end(0, 25)
    assert left(sweep.at(25)) == "0:00:19"


@pytest.mark.parametrize("elapsed", [0, 8, 100])
def test_jobs_without_epochs_take_as_long_as_those_that_are_done(elapsed):
    """Analyses, or a sweep that nobody watches on a terminal."""
    paces = [Pace(seconds=10), Pace(seconds=20), Pace(), Pace()]
    assert remaining(paces[2:], paces[2:], 0, 1) is None
    paces[2].see(50, 0)
    assert remaining(paces, paces[2:], 50 + elapsed, 1) == max(0, 15 - elapsed) + 15


def test_nothing_is_left_of_nothing():
    assert remaining([Pace(seconds=10)], [], 0, 1) is None


def logged(sweep: Sweep, number: int, began: float) -> None:
    """Let a job begin, as the first line of its log says."""
    stamp = datetime.fromtimestamp(began, UTC).isoformat(timespec="seconds")
    sweep.jobs[number].log.write_text(f"{stamp} seed={number}: here, process 1\n")


def test_two_at_a_time_halve_the_time_that_is_left_also_between_two_jobs(tmp_path):
    """Nobody looked before the first two had ended, and the places of both are still empty."""
    sweep = Sweep(tmp_path, 55)
    for number in (0, 1):
        logged(sweep, number, 1000)
        sweep.end(number, 130)
    assert left(sweep.at(1130)) == "0:57:25"  # 53 jobs of 130 s, two at once.
    # One place is taken again; the other one's job has begun already, ten seconds later.
    logged(sweep, 2, 1130)
    assert left(sweep.at(1135)) == "0:58:27"  # 53 x 130 s less 5, 265 s spent in 135.
    logged(sweep, 3, 1140)
    assert left(sweep.at(1140)) == "0:57:20"


def test_one_after_the_other_never_counts_as_two(tmp_path):
    sweep = Sweep(tmp_path, 4)
    for number, began in ((0, 1000), (1, 1010)):
        logged(sweep, number, began)
        sweep.end(number, 10)
        assert left(sweep.at(began + 10)) == f"0:00:{30 - 10 * number}"


def test_failed_jobs_took_a_place_too():
    ended = [Span(0, 10), Span(0, 4), Span(4, 6)]
    assert at_once(ended, []) == 2
    assert at_once([], []) == at_once([], [Span(5, 0)]) == 1
    assert at_once(ended, [Span(10, 0)] * 3) == 3
