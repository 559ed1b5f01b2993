import pytest
import torch

from symscape.landscape.alignment import (
    AlignmentError,
    check_same_function,
    match_activations,
    match_weights,
    moved_share,
    permute_state,
)
from symscape.landscape.alignment.permutation import identity_permutations, random_permutations
from symscape.landscape.interpolation import Line, line_points
from symscape.models.permutations import permutation_spec
from symscape.symmetry.measures import measure_network
from tests.landscape.nets import Fixed, images, network, state

VARIANTS = [
    {"name": "resnet20"},
    {"name": "resnet18", "width": 3},
    {"name": "resnet34", "width": 2},
    {"name": "resnet32", "shortcut": "pad"},
    {"name": "resnet18", "width": 3, "shortcut": "pad"},
    {"name": "resnet20", "norm": "layer"},
    {"name": "resnet20", "kernel_size": 5},
    {"name": "resnet56", "width": 1},
    {"name": "resnet110", "width": 2, "shortcut": "pad"},
]


def planted(net, seed=0):
    spec = permutation_spec(net)
    permutations = random_permutations(spec, torch.Generator().manual_seed(seed))
    return spec, permutations, permute_state(state(net), spec, permutations)


@pytest.mark.parametrize("variant", VARIANTS, ids=lambda v: "-".join(map(str, v.values())))
def test_permuting_the_groups_leaves_the_function_alone(variant):
    net = network(**variant)
    _, permutations, moved = planted(net)
    assert moved_share(permutations) > 0.1
    assert check_same_function(net, state(net), moved, images(4)) < 1e-10


@pytest.mark.parametrize("variant", VARIANTS, ids=lambda v: "-".join(map(str, v.values())))
def test_the_groups_cover_every_axis_of_hidden_channels(variant):
    net = network(**variant)
    spec = permutation_spec(net)
    entries = spec.entries()
    for name, tensor in state(net).items():
        if tensor.dim() == 0 or name == "head.bias":
            continue
        for dim in range(min(tensor.dim(), 2)):
            slots = [slot for _, slot in entries.get(name, []) if slot.axes == (dim, dim)]
            places = torch.cat([slot.places.flatten() for slot in slots] or [torch.zeros(0)])
            fixed = (name, dim) in {("conv.weight", 1), ("head.weight", 0)}
            assert places.tolist() == ([] if fixed else [*range(tensor.shape[dim])])
    watched = {group for tap in spec.taps for group in tap.channels}
    assert watched == set(spec.sizes)


def test_a_residual_stream_is_one_group_for_a_whole_stage():
    spec = permutation_spec(network())
    assert set(spec.sizes) == {
        *(f"stream.{i}" for i in range(3)),
        *(f"stages.{i}.{j}.inner" for i in range(3) for j in range(3)),
    }
    assert len([tap for tap in spec.taps if set(tap.channels) == {"stream.0"}]) == 4


def test_a_network_whose_groups_must_be_derived_needs_an_example():
    with pytest.raises(TypeError, match="Linear: its permutation groups"):
        permutation_spec(torch.nn.Linear(2, 2))


def found(permutations, recovered):
    """A planted p is undone by q where p[q] is the identity."""
    return all(torch.equal(p[recovered[g]], torch.arange(len(p))) for g, p in permutations.items())


@pytest.mark.parametrize("shortcut", ["conv", "pad"])
def test_activations_find_a_planted_permutation(shortcut):
    net = network(width=8, shortcut=shortcut)
    spec, permutations, moved = planted(net)
    other = network(width=8, shortcut=shortcut)
    other.load_state_dict(moved)
    recovered, similarity = match_activations(net, other, spec, Fixed(300))
    assert found(permutations, recovered)
    assert similarity == pytest.approx(1.0, abs=1e-6)


@pytest.mark.parametrize("shortcut", ["conv", "pad"])
def test_weights_find_a_planted_permutation(shortcut):
    net = network(width=8, shortcut=shortcut)
    spec, permutations, moved = planted(net)
    recovered, cosine = match_weights(state(net), moved, spec, restarts=0)
    assert found(permutations, recovered)
    assert cosine == pytest.approx(1.0, abs=1e-9)


def test_matching_weights_never_ends_below_where_it_starts():
    a, b = state(network(0, width=8)), state(network(1, width=8))
    spec = permutation_spec(network(width=8))
    names = [n for n in spec.entries() if "running" not in n]
    _, cosine = match_weights(a, b, spec, restarts=1)
    inner = sum((a[n] * b[n]).sum() for n in names)
    norms = [sum(s[n].square().sum() for n in names).sqrt() for s in (a, b)]
    assert cosine > (inner / norms[0] / norms[1]).item()


def test_alignment_takes_the_barrier_of_a_permutation_away():
    net = network(width=8)
    spec, _, moved = planted(net)
    alphas = line_points(5)
    line = Line(network(width=8), {"train": Fixed()}, statistics=Fixed(seed=1))

    def spread(other):
        curve = [p["train"].loss for p in line.measure(state(net), other, alphas)]
        return max(curve) - min(curve)

    recovered, _ = match_weights(state(net), moved, spec)
    assert spread(moved) > 1e-3
    assert spread(permute_state(moved, spec, recovered)) < 1e-10


@pytest.mark.parametrize("symmetry", ["hflip", "hvflip", "rot90"])
def test_symmetric_networks_stay_symmetric_after_alignment(symmetry):
    a, b = network(0, symmetry), network(1, symmetry)
    spec = permutation_spec(a)
    recovered, _ = match_activations(a, b, spec, Fixed())
    assert moved_share(recovered) > 0.2
    before = measure_network(b)
    b.load_state_dict(permute_state(state(b), spec, recovered))
    for old, new in zip(before, measure_network(b), strict=True):
        assert new.value == pytest.approx(old.value, abs=1e-7, nan_ok=True)


def test_the_guard_refuses_what_is_another_function():
    net = network()
    wrong = state(net)
    wrong["conv.weight"] = wrong["conv.weight"].flip(0)
    with pytest.raises(AlignmentError, match="another function"):
        check_same_function(net, state(net), wrong, images(4))


def test_the_identity_moves_nothing():
    spec = permutation_spec(network())
    assert moved_share(identity_permutations(spec)) == 0.0
