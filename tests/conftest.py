"""Settings of all tests: reproducible draws, no deadlines on a busy machine; and shared runs."""

import pytest
from hypothesis import settings

settings.register_profile("symscape", deadline=None, derandomize=True, max_examples=40)
settings.load_profile("symscape")


@pytest.fixture(scope="session")
def study(tmp_path_factory):
    """Runs that several tests look at, and none changes."""
    from tests.jobs.study import make_study

    return make_study(tmp_path_factory.mktemp("study"))


@pytest.fixture(scope="session")
def pair(tmp_path_factory):
    """A run trained by two processes."""
    from symscape.jobs.train.job import train
    from tests.jobs.train.ragged import ragged

    return train(ragged(tmp_path_factory.mktemp("pair")))
