"""Batches: what is shown when, and where it is kept."""

from __future__ import annotations

import gc
import math
import weakref

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from symscape.data import batches as module
from symscape.data.augment import apply, draw
from symscape.data.batches import Batches, resident, stream
from symscape.data.images import ImageSet, channels_last
from symscape.errors import ConfigError

CPU = torch.device("cpu")


def numbered(count: int, size: int = 4) -> ImageSet:
    """Images whose label is their index."""
    generator = torch.Generator().manual_seed(0)
    pixels = torch.randint(256, (count, size, size, 3), dtype=torch.uint8, generator=generator)
    return channels_last(pixels, torch.arange(count))


def make(images: ImageSet, batch_size: int = 8, shuffle: bool = True, **other: object) -> Batches:
    settings = {"mean": (0.5,) * 3, "std": (0.2,) * 3, "device": "cpu", "seed": 0, **other}
    return Batches(images, batch_size=batch_size, shuffle=shuffle, **settings)


def labels(batches: Batches) -> torch.Tensor:
    return torch.cat([y for _, y in batches])


@settings(max_examples=40, deadline=None)
@given(
    count=st.integers(0, 40),
    batch_size=st.integers(1, 12),
    drop_last=st.booleans(),
    limit=st.none() | st.integers(0, 9),
)
def test_length_is_what_the_iteration_yields(count, batch_size, drop_last, limit):
    batches = make(numbered(count), batch_size, drop_last=drop_last, limit=limit)
    whole = count // batch_size if drop_last else math.ceil(count / batch_size)
    assert len(batches) == len(list(batches)) == (whole if limit is None else min(whole, limit))


def test_an_epoch_shows_every_image_once():
    assert labels(make(numbered(30))).sort()[0].tolist() == list(range(30))


def test_without_shuffling_the_order_is_that_of_the_set():
    assert labels(make(numbered(30), shuffle=False, seed=None)).tolist() == list(range(30))


def test_images_stay_with_their_labels():
    images = numbered(30)
    for x, y in make(images):
        expected = apply(images.images[y], draw("none", len(y)), (0.5,) * 3, (0.2,) * 3)
        assert torch.equal(x, expected)


def test_order_depends_on_seed_and_epoch_alone():
    images = numbered(50)
    first = make(images, 8, policy="none")
    other = make(images, 7, policy="standard", limit=3)
    for epoch in (0, 5, 2):
        first.set_epoch(epoch)
        other.sampler.set_epoch(epoch)
        assert torch.equal(first.order(), other.order())
    assert not torch.equal(make(images, seed=1).order(), make(images).order())
    first.set_epoch(1)
    assert not torch.equal(first.order(), make(images).order())


def test_augmentation_depends_on_seed_epoch_and_step_alone():
    images = numbered(64, 16)
    longer, shorter = make(images, policy="standard"), make(images, policy="standard", limit=3)
    for (x, y), (x_short, y_short) in zip(longer, shorter, strict=False):
        assert torch.equal(x, x_short)
        assert torch.equal(y, y_short)
    again = list(make(images, policy="standard"))
    assert all(torch.equal(x, x2) for (x, _), (x2, _) in zip(longer, again, strict=True))
    moves = [draw("standard", 8, stream("augment", *key)).moves for key in keys()]
    assert len({tuple(m.flatten().tolist()) for m in moves}) == len(moves)


@settings(max_examples=40, deadline=None)
@given(
    count=st.integers(1, 40),
    batch_size=st.integers(1, 12),
    ranks=st.integers(1, 5),
    shuffle=st.booleans(),
)
def test_the_parts_of_all_ranks_are_the_batch_of_one(count, batch_size, ranks, shuffle):
    images = numbered(count, 16)
    options = {"policy": "standard", "shuffle": shuffle}
    whole = make(images, batch_size, **options)
    parts = [make(images, batch_size, **options, rank=r, ranks=ranks) for r in range(ranks)]
    for step, ((x, y), *shown) in enumerate(zip(whole, *parts, strict=True)):
        assert torch.equal(torch.cat([labels for _, labels in shown]), y)
        assert torch.equal(torch.cat([pixels for pixels, _ in shown]), x)
        sizes = [len(labels) for _, labels in shown]
        assert max(sizes) - min(sizes) <= 1
        # Means over the parts, weighted, have the mean of the batch as their mean.
        means = [y.double().mean() if len(y) else torch.zeros(()) for _, y in shown]
        weights = [part.weight(step) for part in parts]
        mean = sum(w * m for w, m in zip(weights, means, strict=True)) / ranks
        assert float(mean) == pytest.approx(float(y.double().mean()))


def test_a_rank_that_is_not_there_is_refused():
    with pytest.raises(ValueError, match="rank=2: allowed are 0 to 1"):
        make(numbered(8), rank=2, ranks=2)


def keys() -> list[tuple[int, int, int]]:
    return [(seed, epoch, step) for seed in range(3) for epoch in range(3) for step in range(3)]


def test_order_is_independent_of_batch_size_and_augmentation_is_not_promised_to_be():
    images = numbered(24)
    assert torch.equal(labels(make(images, 8)), labels(make(images, 3)))


def test_an_epoch_looks_the_same_after_others_and_after_the_global_generator_moved():
    batches = make(numbered(24), policy="standard")
    batches.set_epoch(3)
    before = [x for x, _ in batches]
    batches.set_epoch(4)
    assert not torch.equal(next(iter(batches))[0], before[0])
    torch.rand(10)
    batches.set_epoch(3)
    assert all(torch.equal(x, x2) for x, (x2, _) in zip(before, batches, strict=True))


def test_batches_leave_the_global_generator_alone():
    torch.manual_seed(0)
    before = torch.get_rng_state()
    list(make(numbered(24), policy="standard"))
    assert torch.equal(torch.get_rng_state(), before)


def test_streams_of_purposes_and_keys_differ_and_stay_as_they_are():
    seeds = {stream("order", *key).initial_seed() for key in keys()}
    seeds |= {stream("augment", *key).initial_seed() for key in keys()}
    assert len(seeds) == 54
    # Pinned: a change would make every finished run irreproducible.
    assert stream("order", 0, 0).initial_seed() == 6842717984295184508


def test_seed_zero_is_a_seed_and_none_is_refused_where_something_is_random():
    images = numbered(8)
    assert torch.equal(make(images, seed=0).order(), make(images, seed=0).order())
    with pytest.raises(ValueError, match="need a seed"):
        make(images, seed=None)
    with pytest.raises(ValueError, match="policy=hflip need a seed"):
        make(images, seed=None, shuffle=False, policy="hflip")


def test_a_policy_that_does_not_fit_is_refused_at_once():
    wide = channels_last(torch.zeros(4, 2, 3, 1, dtype=torch.uint8), torch.zeros(4).long())
    with pytest.raises(ConfigError, match="needs square images"):
        Batches(
            wide,
            batch_size=2,
            mean=(0.0,),
            std=(1.0,),
            device="cpu",
            policy="rot90",
            seed=0,
            shuffle=False,
        )


def test_batches_of_one_set_share_its_memory():
    images = numbered(8)
    rows, _ = resident(images, CPU)
    assert rows.data_ptr() == images.images.data_ptr()
    assert resident(images, CPU)[0] is rows


def test_residents_vanish_with_their_set():
    images = numbered(8)
    gone = weakref.ref(resident(images, CPU)[0])
    del images
    gc.collect()
    assert gone() is None


def test_a_set_that_does_not_fit_stays_where_it_is(monkeypatch):
    images, device = numbered(8), torch.device("meta")
    monkeypatch.setattr(module, "free_memory", lambda _: 2 * images.images.numel() - 1)
    assert resident(images, device)[0].device == CPU
    smaller = numbered(7)
    assert resident(smaller, device)[0].device == device


def test_both_homes_show_the_same_batches(monkeypatch):
    expected = list(make(numbered(16), policy="standard"))
    monkeypatch.setattr(module, "free_memory", lambda _: 0)
    for (x, y), (x2, y2) in zip(make(numbered(16), policy="standard"), expected, strict=True):
        assert torch.equal(x, x2)
        assert torch.equal(y, y2)


@pytest.mark.skipif(not torch.cuda.is_available(), reason="needs a GPU")
def test_a_gpu_shows_the_same_batches():
    images = numbered(50, 16)
    for policy in ("none", "standard", "rot90", "hvflip"):
        on_gpu = make(images, policy=policy, device="cuda")
        for (x, y), (x2, y2) in zip(make(images, policy=policy), on_gpu, strict=True):
            torch.testing.assert_close(x, x2.cpu(), atol=1e-6, rtol=1e-6)
            assert torch.equal(y, y2.cpu())


def test_dtype_and_memory_format():
    x, y = next(iter(make(numbered(8), dtype=torch.float64)))
    assert x.dtype == torch.float64
    assert y.dtype == torch.int64
    assert x.is_contiguous(memory_format=torch.channels_last)
