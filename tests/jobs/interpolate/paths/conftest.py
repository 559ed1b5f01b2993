"""Short epochs, where a test is not about what a training comes to."""

import pytest

from symscape.jobs.interpolate.paths import measure


@pytest.fixture(scope="module")
def few_batches():
    """Epochs of four batches."""
    original = measure.PathMeasure.batches

    def few(self, a, b):
        batches = original(self, a, b)
        batches.limit = 4
        return batches

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(measure.PathMeasure, "batches", few)
        yield
