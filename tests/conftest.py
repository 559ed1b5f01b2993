"""Settings of all tests: reproducible draws, no deadlines on a busy machine; and shared runs."""

import gc
import os
import sys

import pytest
from hypothesis import settings
from matplotlib.figure import Figure

from tests.sketches import render, sketch

settings.register_profile("symscape", deadline=None, derandomize=True, max_examples=40)
settings.load_profile("symscape")

# Each look for garbage passes over all that torch and Lightning hold: a tenth of the time.
gc.set_threshold(100_000, 30, 30)


@pytest.fixture(scope="session", autouse=True)
def sketched():
    """Pictures are not rendered, but for those who ask for it."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(Figure, "savefig", sketch)
        yield


@pytest.fixture
def rendered(sketched, monkeypatch):
    """Pictures are what a user gets: for tests that look at them."""
    monkeypatch.setattr(Figure, "savefig", render)


@pytest.fixture(autouse=True)
def same_threads():
    """A job that takes its share of threads in this process leaves the next tests theirs.

    Two workers with two threads each on two cores wait for each other: 2.6 s became 67 s.
    """
    kept = {name: os.environ.get(name) for name in ("OMP_NUM_THREADS", "MKL_NUM_THREADS")}
    before = threads() if "torch" in sys.modules else int(kept["OMP_NUM_THREADS"] or 0)
    yield
    for name, value in kept.items():
        os.environ.pop(name, None)
        if value is not None:
            os.environ[name] = value
    if before and "torch" in sys.modules and threads() != before:
        sys.modules["torch"].set_num_threads(before)


def threads() -> int:
    """How many threads torch has in this process."""
    return sys.modules["torch"].get_num_threads()


@pytest.fixture(scope="session")
def common(tmp_path_factory, worker_id):
    """The folder that all workers of pytest have in common."""
    own = tmp_path_factory.getbasetemp()
    return own if worker_id == "master" else own.parent


@pytest.fixture(scope="session")
def study(common):
    """Runs that several tests look at, and none changes; made once for all workers of pytest."""
    from symscape.runs.lock import locked
    from tests.jobs.study import make_study

    folder, whole = common / "study", common / "study-is-whole"
    with locked(folder, wait=600):
        if not whole.exists():
            make_study(folder)
            whole.touch()
    return folder


@pytest.fixture(scope="session")
def pair(common):
    """A run trained by two processes, on W&B, which a second worker of pytest finds finished."""
    from symscape.config.shared import LoggerConfig
    from symscape.jobs.train.job import train
    from symscape.runs.lock import locked
    from tests.jobs.train.ragged import ragged

    logger = LoggerConfig(name="wandb", mode="offline")
    with locked(common / "pair", wait=600), pytest.MonkeyPatch.context() as patch:
        patch.setenv("WANDB_CACHE_DIR", str(common / "cache"))
        return train(ragged(common / "pair", logger=logger))


@pytest.fixture
def no_pictures(monkeypatch):
    """Training ends without pictures: for tests that look at none."""
    from symscape.plots import run

    monkeypatch.setattr(run, "draw_run", lambda folder: [])


def pytest_collection_modifyitems(items):
    """Sweeps come first: begun at the end, what takes minutes would leave one worker alone."""
    items.sort(key=lambda item: "sweeps" not in item.path.parts)
