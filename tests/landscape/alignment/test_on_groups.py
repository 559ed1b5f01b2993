"""Lines between networks on groups, and the permutations of their channels."""

import pytest
import torch

from symscape.landscape.alignment import (
    check_same_function,
    match_activations,
    match_weights,
    moved_share,
    permute_state,
)
from symscape.landscape.alignment.permutation import identity_permutations, random_permutations
from symscape.landscape.batchnorm import reset_statistics
from symscape.landscape.interpolation import Line, line_points
from symscape.layers.bases import kernel_bases
from symscape.layers.effective import effective_network
from symscape.models.permutations import permutation_spec
from symscape.symmetry.groups import ELEMENTS
from tests.layers.lie.networks import VARIANTS, Fixed, network, state

variants = pytest.mark.parametrize(("model", "case"), VARIANTS)


def planted(net, seed=0):
    """Permutations, their network's spec, and what they make of the effective weights."""
    plain = effective_network(net)
    spec = permutation_spec(plain)
    permutations = random_permutations(spec, torch.Generator().manual_seed(seed))
    return plain, spec, permutations, permute_state(state(plain), spec, permutations)


def unequal(net, weights) -> float:
    """The largest difference between entries that the lattice ties, over all kernels."""
    worst = 0.0
    for name, basis in kernel_bases(net).items():
        rows = weights[name].reshape(-1)[basis.order].view(-1, len(basis.matrix))
        worst = max(worst, (rows - rows[:, :1]).abs().max().item())
    return worst


class Turned(Fixed):
    """The same images, moved by a symmetry of the square."""

    def __init__(self, name: str, **options) -> None:
        super().__init__(**options)
        self.x = ELEMENTS[name](self.x)


@pytest.mark.parametrize(
    ("model", "case"), [variant for variant in VARIANTS if variant[1] in ("se2", "e2", "sim2")]
)
def test_a_line_between_effective_kernels_is_equivariant_all_along(model, case):
    a, b = (effective_network(network(case, model, seed=seed)) for seed in (0, 1))
    ends, lattice, x = (state(a), state(b)), a.grid.lattice, Fixed(6, seed=5).x
    line = Line(a, {}, statistics=Fixed(seed=9))
    for alpha in line_points(5):
        line.fill(*ends, alpha)
        reset_statistics(a, line.statistics)
        with torch.no_grad():
            y = a(x)
            for name in lattice:
                assert (a(ELEMENTS[name](x)) - y).norm() <= 1e-10 * y.norm()


@pytest.mark.parametrize("bn", ["reset", "lerp", "repair"])
def test_losses_along_a_line_do_not_see_a_turn(bn):
    a, b = (effective_network(network("se2", seed=seed)) for seed in (0, 1))
    splits = {"upright": Fixed(seed=5), "turned": Turned("rot90", seed=5)}
    line = Line(a, splits, bn=bn, statistics=Fixed(seed=9))
    points = line.measure(state(a), state(b), line_points(3))
    for point in points:
        assert point["turned"].loss == pytest.approx(point["upright"].loss, rel=1e-10)
    assert points[1]["upright"].loss != pytest.approx(points[0]["upright"].loss, rel=1e-3)


@variants
def test_permuting_and_translating_channels_leaves_function_and_ties_alone(model, case):
    net = network(case, model)
    plain, _, permutations, moved = planted(net)
    assert moved_share(permutations) > 0.1
    assert check_same_function(plain, state(plain), moved, Fixed(6).x, 1e-12) <= 1e-12
    assert unequal(net, moved) == 0.0


@pytest.mark.parametrize("case", ["se2", "e2", "sim2"])
def test_another_permutation_within_a_channel_breaks_the_ties_alone(case):
    """The plain network allows it; the group does not."""
    net = network(case)
    plain = effective_network(net)
    spec = permutation_spec(plain)
    permutations = identity_permutations(spec)
    permutations["last"][:2] = torch.tensor([1, 0])  # Two elements of the first channel.
    assert net.grid.size > 2
    moved = permute_state(state(plain), spec, permutations)
    assert unequal(net, state(plain)) == 0.0 < 1e-3 < unequal(net, moved)
    check_same_function(plain, state(plain), moved, Fixed(6).x, 1e-12)


@variants
def test_every_axis_of_hidden_channels_has_its_group(model, case):
    plain = effective_network(network(case, model))
    spec = permutation_spec(plain)
    entries = spec.entries()
    fixed = {"lift.weight": 1, "head.out.weight": 0, "classes.weight": 0}
    for name, tensor in state(plain).items():
        if tensor.dim() == 0 or name == "head.out.bias":
            continue
        for dim in range(min(tensor.dim(), 2)):
            slots = [slot for _, slot in entries.get(name, []) if slot.axes == (dim, dim)]
            assert (slots == []) is (fixed.get(name) == dim)
            assert all(slot.places.shape[1] in {1, plain.grid.size} for slot in slots)
            assert sum(slot.places.numel() for slot in slots) in {0, tensor.shape[dim]}
    assert {group for tap in spec.taps for group in tap.channels} == set(spec.sizes)


@variants
def test_weights_find_a_planted_permutation(model, case):
    plain, spec, permutations, moved = planted(network(case, model))
    recovered, cosine = match_weights(moved, state(plain), spec)
    assert all(torch.equal(recovered[group], p) for group, p in permutations.items())
    assert cosine == pytest.approx(1.0, abs=1e-9)


@variants
def test_activations_find_a_planted_permutation(model, case):
    plain, spec, permutations, moved = planted(network(case, model))
    other = effective_network(plain)
    other.load_state_dict(moved)
    recovered, similarity = match_activations(other, plain, spec, Fixed(120, seed=3))
    assert all(torch.equal(recovered[group], p) for group, p in permutations.items())
    assert 0.98 < similarity < 1 + 1e-9  # Places that never change correlate with nothing.


@pytest.mark.parametrize("model", ["ckgresnet", "ckgcnn", "ckgallcnnc"])
def test_alignment_takes_the_barrier_of_a_planted_permutation_away(model):
    plain, spec, _, moved = planted(network("se2", model))
    original = state(plain)
    line = Line(effective_network(plain), {"train": Fixed()}, statistics=Fixed(seed=1))

    def spread(other) -> float:
        curve = [p["train"].loss for p in line.measure(original, other, line_points(5))]
        return max(curve) - min(curve)

    recovered, _ = match_weights(original, moved, spec)
    assert spread(moved) > 1e-3
    assert spread(permute_state(moved, spec, recovered)) < 1e-10


def test_translations_bring_networks_closer_than_permutations_of_channels_alone():
    a, b = (effective_network(network("se2", width=4, seed=seed)) for seed in (0, 1))
    spec = permutation_spec(a)
    whole, cosine = match_weights(state(a), state(b), spec, restarts=2)
    spec.translations = {name: moves[:1] for name, moves in spec.translations.items()}
    channels, less = match_weights(state(a), state(b), spec, restarts=2)
    assert cosine > less + 0.01
    assert moved_share(whole) > moved_share(channels) / 2
