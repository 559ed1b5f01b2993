"""The held-out images: stratified, fixed, and a slice."""

from __future__ import annotations

import numpy as np
from hypothesis import given
from hypothesis import strategies as st

from symscape.data.split import held_out, mixed_order

LABELS = st.lists(st.integers(0, 4), min_size=1, max_size=80).map(np.array)


@given(LABELS)
def test_the_order_holds_every_image_once_and_is_fixed(labels):
    order = mixed_order(labels)
    assert sorted(order) == list(range(len(labels)))
    assert np.array_equal(order, mixed_order(labels.copy()))


@given(LABELS, st.floats(0, 0.99))
def test_the_beginning_holds_the_same_share_of_every_class(labels, fraction):
    mixed = labels[mixed_order(labels)]
    cut = held_out(mixed, fraction)
    for name in np.unique(labels):
        share = np.sum(mixed[:cut] == name)
        assert abs(share - fraction * np.sum(labels == name)) <= 0.5 + 1e-9


def test_a_tenth_of_5000_is_500_of_each():
    labels = np.repeat(np.arange(10), 5000)
    mixed = labels[mixed_order(labels)]
    assert np.bincount(mixed[: held_out(mixed, 0.1)]).tolist() == [500] * 10


def test_nothing_is_held_out_at_zero():
    assert held_out(np.zeros(10), 0) == 0


def test_the_order_is_pinned():
    # A change would change every split, and make results incomparable.
    assert mixed_order(np.array([0, 0, 0, 1, 1, 1])).tolist() == [1, 3, 0, 5, 2, 4]
