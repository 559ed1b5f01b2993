"""Blocks of a batch on all cores: every image once, in an order that repeats."""

from collections.abc import Iterator

import pytest
import torch

from symscape.layers.folding import workers
from symscape.layers.folding.workers import on_all_cores

CPU = torch.device("cpu")


@pytest.fixture(params=[1, 2, 3])
def threads(request) -> Iterator[int]:
    before = torch.get_num_threads()
    torch.set_num_threads(request.param)
    yield request.param
    torch.set_num_threads(before)


@pytest.mark.parametrize("count", [0, 1, 2, 7, 100])
@pytest.mark.parametrize("size", [1, workers.SMALL, workers.BLOCK // 3, 2 * workers.BLOCK])
def test_every_image_is_in_one_block_and_blocks_are_small(threads, count, size):
    results = on_all_cores(count, size, CPU, list)
    blocks = [block for result in results for block in result]
    assert [i for block in blocks for i in range(count)[block]] == list(range(count))
    assert all(
        block.stop - block.start == 1 or _size(block) * size <= workers.BLOCK for block in blocks
    )
    assert len(results) == (threads if count * size >= workers.SMALL and count >= threads else 1)


def _size(block: slice) -> int:
    return block.stop - block.start


def test_threads_compute_alone_and_without_gradients(threads):
    weight = torch.ones(3, requires_grad=True)

    def work(blocks: list[slice]) -> tuple[int, bool, bool]:
        return (
            torch.get_num_threads(),
            (weight * 2).requires_grad,
            torch.is_inference_mode_enabled(),
        )

    for inference in (False, True):
        with torch.inference_mode(inference), torch.no_grad():
            found = on_all_cores(threads, workers.SMALL, CPU, work)
        assert found == [(1, False, inference)] * threads
    assert torch.get_num_threads() == threads


def test_another_device_gets_the_batch_as_one_block():
    assert on_all_cores(9, workers.BLOCK, torch.device("meta"), list) == [[slice(0, 9)]]


def test_what_a_thread_raises_arrives(threads):
    def work(blocks: list[slice]) -> None:
        raise ValueError("in a thread")

    with pytest.raises(ValueError, match="in a thread"):
        on_all_cores(threads, workers.SMALL, CPU, work)
