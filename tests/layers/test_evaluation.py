"""Plain networks whose kernels are tied are evaluated by their fold, and come out the same."""

import copy

import pytest
import torch
from torch import nn

from symscape.config.groups import SYMMETRIES, SymmetryConfig
from symscape.config.network.model import ModelConfig
from symscape.landscape.batchnorm import reset_statistics
from symscape.layers import evaluation
from symscape.layers.effective import effective_network
from symscape.layers.evaluation import for_evaluation
from symscape.layers.factory import ConvFactory, initialise
from symscape.layers.folding import costs
from symscape.layers.folding.ties import tied_taps
from symscape.models.build import build_network
from symscape.symmetry.groups import Symmetry


@pytest.fixture(autouse=True)
def one_kind_of_cpu(monkeypatch) -> None:
    """What folds is asserted for one kind, on every machine."""
    monkeypatch.setattr(costs, "processor", lambda: "avx512_bf16")


def plain(name: str, seed: int = 0) -> nn.Module:
    model, obeys = ModelConfig("resnet20", width=64), SymmetryConfig(name)
    built = build_network(model, obeys, in_channels=3, classes=10, seed=seed)
    return effective_network(built).eval()


@pytest.fixture
def folded(monkeypatch) -> list[object]:
    """Record every fold of an evaluation."""
    seen: list[object] = []
    original = evaluation.evaluated_fold

    def record(x, values, bias, geometry):
        seen.append(geometry)
        return original(x, values, bias, geometry)

    monkeypatch.setattr(evaluation, "evaluated_fold", record)
    return seen


@pytest.mark.parametrize("name", SYMMETRIES)
def test_ties_are_read_from_kernels(name):
    symmetry = Symmetry(name)
    layer = ConvFactory(symmetry)(3, 5, (5, 5))
    initialise(layer, 0)
    labels = tied_taps(layer.weight)
    if name == "vanilla":
        assert labels is None
    else:
        assert sum(labels, ()) == tuple(_in_order(symmetry.orbits((5, 5)).tolist()))


def _in_order(labels: list[int]) -> list[int]:
    order = list(dict.fromkeys(labels))
    return [order.index(label) for label in labels]


@torch.no_grad()
def test_the_line_between_two_runs_of_a_symmetry_is_folded(folded):
    a, b, network = plain("rot90"), plain("rot90", 1), plain("vanilla")
    fast = for_evaluation(network, "float32")
    x = torch.randn(32, 3, 32, 32, generator=torch.Generator().manual_seed(0))
    fast(x)
    assert not folded
    for alpha in (0.0, 0.3, 1.0):
        ends = zip(a.state_dict().items(), b.state_dict().values(), strict=True)
        state = {
            k: v if not v.is_floating_point() else torch.lerp(v, w, alpha) for (k, v), w in ends
        }
        network.load_state_dict(state)
        count = len(folded)
        torch.testing.assert_close(fast(x), network(x), rtol=1e-4, atol=1e-4)
        assert len(folded) - count > 5
    network.load_state_dict(plain("vanilla").state_dict())
    count = len(folded)
    fast(x)
    assert len(folded) == count


@torch.no_grad()
def test_norms_are_merged_and_what_becomes_of_their_tensors_is_seen():
    network = plain("vanilla").double()
    fast = for_evaluation(network, "float64")
    generator = torch.Generator().manual_seed(0)
    x = torch.randn(8, 3, 32, 32, generator=generator, dtype=torch.float64)
    for _ in range(2):
        torch.testing.assert_close(fast(x), network(x), rtol=1e-12, atol=1e-12)
        for tensor in network.state_dict().values():
            if tensor.is_floating_point():
                tensor.mul_(1 + 0.2 * torch.rand(tensor.shape, generator=generator))
    other = copy.deepcopy(network)
    reset_statistics(network, [(x, x)], fast)
    reset_statistics(other, [(x, x)])
    for own, expected in zip(network.buffers(), other.buffers(), strict=True):
        torch.testing.assert_close(own, expected, rtol=1e-12, atol=1e-12)
    torch.testing.assert_close(fast(x), other(x), rtol=1e-12, atol=1e-12)


def test_bfloat16_rounds_no_worse_than_the_network_itself():
    network = plain("vanilla")
    generator = torch.Generator().manual_seed(0)
    x = torch.randn(64, 3, 32, 32, generator=generator)
    reset_statistics(network, [(x, x)])
    fast = for_evaluation(network, "bfloat16")
    with torch.no_grad():
        exact = network(x)
        with torch.autocast("cpu", torch.bfloat16):
            errors = [(each(x).float() - exact).square().mean().sqrt() for each in (fast, network)]
    assert errors[0] < 1.2 * errors[1]


def test_gradients_are_those_of_every_tap(folded):
    network = plain("d4")
    fast = for_evaluation(network, "float32")
    reference = copy.deepcopy(network)
    x = torch.randn(32, 3, 32, 32, generator=torch.Generator().manual_seed(0))
    for each in (fast, reference):
        each(x).square().sum().backward()
    assert not folded
    for p, q in zip(network.parameters(), reference.parameters(), strict=True):
        assert torch.equal(p.grad, q.grad)


@torch.inference_mode()
def test_bias_stride_and_inference_mode(folded):
    conv = ConvFactory(Symmetry("rot90"))(256, 256, (3, 3), stride=2, bias=True)
    initialise(conv, 0)
    with torch.inference_mode(False), torch.no_grad():
        network = nn.Sequential(conv.plain())
        network[0].bias.normal_(generator=torch.Generator().manual_seed(0))
    x = torch.randn(32, 256, 16, 15, generator=torch.Generator().manual_seed(0))
    fast = for_evaluation(network, "float32")
    torch.testing.assert_close(fast(x), network(x), rtol=1e-4, atol=1e-4)
    assert len(folded) == 1
