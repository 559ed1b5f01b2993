"""Short epochs, where a test is not about what a training comes to."""

from collections.abc import Iterator
from contextlib import contextmanager

import pytest

from symscape.jobs.interpolate.paths import measure


@pytest.fixture
def few_batches():
    """Epochs of four batches."""
    with limited():
        yield


@pytest.fixture(scope="module")
def few_batches_throughout():
    """Epochs of four batches in all tests of a file, and in what they share."""
    with limited():
        yield


@contextmanager
def limited() -> Iterator[None]:
    original = measure.PathMeasure.batches

    def few(self, a, b):
        batches = original(self, a, b)
        batches.limit = 4
        return batches

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(measure.PathMeasure, "batches", few)
        yield
