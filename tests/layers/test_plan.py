"""The plan: which layers fold, decided from shapes alone."""

import math

import pytest
import torch

from symscape.config.groups import SymmetryConfig
from symscape.config.network.model import ModelConfig
from symscape.layers.folding import costs
from symscape.layers.plan import apply_plan, make_plan
from symscape.models.build import build_network

BATCH = (128, 3, 32, 32)


@pytest.fixture(autouse=True)
def one_kind_of_cpu(monkeypatch) -> None:
    """What folds is asserted for one kind, on every machine."""
    monkeypatch.setattr(costs, "processor", lambda: "avx512_bf16")


def network(model: str = "resnet18", **symmetry) -> torch.nn.Module:
    obeys = SymmetryConfig(**{"name": "rot90", **symmetry})
    return build_network(ModelConfig(model), obeys, in_channels=3, classes=10, seed=0)


def plan(built: torch.nn.Module, compute="auto", precision="float32", device="cpu"):
    return make_plan(built, BATCH, compute, precision, device)


def test_wide_layers_on_small_maps_fold_and_the_stem_does_not():
    chosen = {p.name: p for p in plan(network())}
    assert chosen["conv"].compute == "direct"
    assert chosen["stages.3.1.conv2"].compute == "fold"
    assert chosen["stages.3.1.conv2"].shape == "512 > 512, 3x3 / 1, 4x4"
    assert chosen["stages.3.1.conv2"].orbits == "3 of 9"
    assert chosen.pop("conv").estimate > 1
    assert all(each.compute == "fold" and each.estimate < 0.6 for each in chosen.values())


def test_fewer_orbits_cost_less():
    costs = [
        [p.estimate for p in plan(network(name=name))] for name in ("rot90", "hvflip", "hflip")
    ]
    assert all(a < b < c for a, b, c in zip(*costs, strict=True))


def test_the_plan_repeats_and_leaves_the_network_alone():
    built = network()
    before = {name: tensor.clone() for name, tensor in built.state_dict().items()}
    generator = torch.get_rng_state()
    assert plan(built) == plan(built)
    assert built.training
    assert torch.equal(torch.get_rng_state(), generator)
    assert all(torch.equal(before[k], v) for k, v in built.state_dict().items())


@pytest.mark.parametrize("compute", ["direct", "fold"])
def test_one_way_for_all_layers(compute):
    assert {p.compute for p in plan(network("resnet20"), compute)} == {compute}


def test_kernels_that_are_not_tied_stay_direct():
    built = network("resnet20", parametrization="penalty")
    assert {p.compute for p in plan(built, "fold")} == {"direct"}
    assert plan(network("resnet20", name="vanilla")) == []


@pytest.mark.parametrize("changes", [{"device": "cuda"}, {"precision": "float64"}])
def test_without_an_estimate_layers_stay_direct(changes):
    for each in plan(network(), **changes):
        assert math.isnan(each.estimate) and each.compute == "direct"


def test_an_applied_plan_is_what_the_layers_do():
    built = network("resnet20")
    chosen = {p.name: "fold" for p in plan(built)}
    x = torch.randn(2, *BATCH[1:], generator=torch.Generator().manual_seed(0))
    built.eval()
    direct = built(x)
    apply_plan(built, chosen)
    folded = built(x)
    assert not torch.equal(folded, direct)
    torch.testing.assert_close(folded, direct, rtol=1e-4, atol=1e-4)
    with pytest.raises(KeyError):
        apply_plan(built, {"nowhere": "fold"})
