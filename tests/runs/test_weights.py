"""Weights on disk: whole, hashed, and never executed."""

import pickle
from pathlib import Path

import pytest
import torch
from safetensors.torch import save_file

from symscape.errors import SymscapeError
from symscape.models.weights import fill_network
from symscape.runs.tables import append_rows
from symscape.runs.weights import content_hash, read_weights, save_weights
from tests.runs.refusals import one_line


class Malice:
    """Pickles into a call that leaves a mark."""

    def __init__(self, mark: Path) -> None:
        self.mark = mark

    def __reduce__(self):
        return Path.touch, (self.mark,)


@pytest.fixture
def state() -> dict[str, torch.Tensor]:
    generator = torch.Generator().manual_seed(0)
    return {
        "conv.weight": torch.randn(4, 3, 3, 3, generator=generator).to(
            memory_format=torch.channels_last
        ),
        "norm.num_batches_tracked": torch.tensor(7),
    }


def test_weights_come_back_bit_by_bit(tmp_path, state):
    path = tmp_path / "weights" / "final.safetensors"
    digest = save_weights(path, state, {"step": 3})
    again, metadata = read_weights(path)
    assert all(torch.equal(state[k], again[k]) for k in state)
    assert metadata == {"step": 3, "sha256": digest}
    assert digest == content_hash(state) == content_hash(again)


def test_content_hash_sees_names_types_shapes_and_bytes(state):
    def changed(**tensors):
        return content_hash({**state, **tensors})

    kernel = state["conv.weight"]
    variants = [
        content_hash(state),
        changed(**{"conv.weight": kernel.double()}),
        changed(**{"conv.weight": kernel.flatten()}),
        changed(**{"conv.weight": -kernel}),
        content_hash({"other": kernel}),
    ]
    assert len(set(variants)) == len(variants)


def test_a_flipped_bit_is_found(tmp_path, state):
    path = tmp_path / "final.safetensors"
    save_weights(path, state, {})
    raw = bytearray(path.read_bytes())
    raw[-3] ^= 1
    path.write_bytes(raw)
    with pytest.raises(SymscapeError) as error:
        read_weights(path)
    assert "damaged" in one_line(error, path)


@pytest.mark.parametrize("content", [b"", b"not weights", b"\x08" + b"\0" * 40])
def test_foreign_weights_are_refused(tmp_path, content):
    path = tmp_path / "final.safetensors"
    path.write_bytes(content)
    with pytest.raises(SymscapeError) as error:
        read_weights(path)
    one_line(error, path)


def test_weights_without_our_metadata_are_refused(tmp_path):
    path = tmp_path / "final.safetensors"
    save_file({"a": torch.ones(2)}, path)
    with pytest.raises(SymscapeError) as error:
        read_weights(path)
    one_line(error, path)


def test_a_malicious_pickle_is_not_executed(tmp_path):
    path, mark = tmp_path / "final.safetensors", tmp_path / "mark"
    path.write_bytes(pickle.dumps(Malice(mark)))
    with pytest.raises(SymscapeError):
        read_weights(path)
    assert not mark.exists()
    pickle.loads(path.read_bytes())
    assert mark.exists(), "the pickle was no danger, so the test shows nothing"


def test_weights_of_another_architecture_are_refused(tmp_path):
    path = tmp_path / "final.safetensors"
    network = torch.nn.Linear(2, 3)
    for state, found in [
        ({"weight": torch.ones(3, 2)}, "bias is in the network alone"),
        ({"weight": torch.ones(3, 4), "bias": torch.ones(3)}, r"weight is \(3, 4\)"),
        ({"weight": torch.full((3, 2), torch.nan), "bias": torch.ones(3)}, "not finite"),
    ]:
        with pytest.raises(SymscapeError, match=found) as error:
            fill_network(network, state, path)
        one_line(error, path)


def test_a_full_disk_is_one_line(state):
    """/dev/full is a disk that is always full."""
    if not Path("/dev/full").exists():
        pytest.skip("this system has no /dev/full")
    path = Path("/dev/full")
    with pytest.raises(SymscapeError, match="No space left"):
        append_rows(path, [{"epoch": 1}])
