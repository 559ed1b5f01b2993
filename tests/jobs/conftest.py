"""Runs that several tests look at, and none changes."""

import pytest

from tests.jobs.study import make_study


@pytest.fixture(scope="session")
def study(tmp_path_factory):
    return make_study(tmp_path_factory.mktemp("study"))
