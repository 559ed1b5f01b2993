"""Files of weights whose channels changed places are brought back by the door."""

import pytest
import torch

from symscape.config.interpolate import InterpolateConfig
from symscape.errors import SymscapeError
from symscape.jobs.interpolate.job import interpolate
from symscape.landscape.alignment import permute_state
from symscape.landscape.alignment.permutation import random_permutations
from symscape.models.permutations import permutation_spec
from symscape.models.zoo import load_network
from symscape.runs.results import PairResult, read_results
from tests.jobs import foreign_networks
from tests.jobs.foreign_networks import DIGITS, attentive, convolutional, write_weights
from tests.smoke.forked import forked

FEW = {"train_images": 60, "bn_images": 80, "test_images": 30, "align_images": 60, "points": 3}
FEW |= {"restarts": 1}


def planted(root, network, size=32, channels=1):
    """Write a network's weights as a.pth, and with its channels permuted as b.pth."""
    state = {name: value.clone() for name, value in network.state_dict().items()}
    spec = permutation_spec(network.eval(), torch.rand(2, channels, size, size))
    moved = permute_state(state, spec, random_permutations(spec, torch.Generator().manual_seed(1)))
    torch.save(state, root / "a.pth")
    torch.save({name: value.clone() for name, value in moved.items()}, root / "b.pth")
    return sum(spec.sizes.values())


def asking(root, name, **changes):
    words = {"root": str(root), "network": f"{foreign_networks.__name__}:{name}"}
    words |= {"a": str(root / "a.pth"), "b": str(root / "b.pth"), "precision": "float32"}
    return InterpolateConfig(**{**words, **DIGITS, **FEW, **changes})


def change(root, align):
    """Return how far the train loss is from that of the first end, at most; and the result."""
    (folder,) = (p for p in (root / "networks" / "interpolate").glob(f"{align}-*") if p.is_dir())
    (found,) = read_results(folder, PairResult)
    losses = found.curves["train"]["loss"]
    return max(abs(loss - losses[0]) for loss in losses), found


def test_a_planted_permutation_is_taken_back_and_best_chooses(tmp_path):
    network = convolutional()
    source = write_weights(tmp_path, convolutional, 0, "source.pth")
    state = torch.load(source, weights_only=True)["state_dict"]
    network.load_state_dict({name.removeprefix("module."): t for name, t in state.items()})
    assert planted(tmp_path, network) == 4  # The depthwise kernels move with the stem's.
    interpolate(asking(tmp_path, "convolutional"))
    interpolate(asking(tmp_path, "convolutional", align="best"))
    assert change(tmp_path, "none")[0] > 0.01
    for align in ("weights", "activations", "best"):
        moved, found = change(tmp_path, align)
        assert moved < 1e-5 and found.alignment["largest_logit_change"] < 1e-5
        assert found.alignment["moved_share"] > 0
    assert set(change(tmp_path, "best")[1].alignment["candidates"]) == {"weights", "activations"}


def test_what_cannot_be_exported_is_refused_and_left_unaligned(tmp_path, capfd):
    for seed, name in enumerate(("a.pth", "b.pth")):
        write_weights(tmp_path, attentive, seed, name)
    with pytest.raises(
        SymscapeError,
        match=r"attentive .*: torch.export cannot trace it: .*; align=none goes without$",
    ) as caught:
        interpolate(asking(tmp_path, "attentive", align="weights"))
    assert len(str(caught.value).splitlines()) == 1 and not (tmp_path / "networks").exists()
    assert not capfd.readouterr().err  # torch.export would log whole graphs.
    interpolate(asking(tmp_path, "attentive", align="none"))
    assert change(tmp_path, "none")[1].alignment["method"] == "none"


@pytest.mark.slow
def test_a_library_s_network_by_one_command(tmp_path):
    name = "torchvision/mobilenet_v3_small"
    network = load_network(name, classes=10, channels=1).network
    assert planted(tmp_path, network) > 1000
    words = (f"network={name}", "a=a.pth", "b=b.pth", "data=digits", "data.image_size=32")
    few = tuple(f"{key}={value}" for key, value in FEW.items())
    result = forked(tmp_path, "interpolate", *words, *few, "align=weights", "precision=float32")
    assert result.returncode == 0, result.stderr
    moved, found = change(tmp_path / "multirun", "weights")
    assert moved < 1e-4 and found.alignment["largest_logit_change"] < 1e-4
    few = ("images=8", "bn_images=32", "k=1", "trace_products=9", "scalings=none", "max_products=8")
    result = forked(tmp_path, "sharpness", *words[:1], "weights=a.pth", *words[3:], *few)
    assert result.returncode == 0, result.stderr
    assert f"{name} a.pth" in result.stdout and "sharpness.png" in result.stdout
