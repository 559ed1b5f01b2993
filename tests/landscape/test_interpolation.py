import pytest
import torch
from pytest import approx

from symscape.landscape.barriers import barriers
from symscape.landscape.batchnorm import reset_statistics
from symscape.landscape.evaluation import Transformed, evaluate
from symscape.landscape.interpolation import Line, line_points
from symscape.symmetry.basis import projector
from symscape.symmetry.groups import Symmetry
from tests.landscape.nets import Fixed, images, network, state

POLICIES = ["reset", "lerp", "none", "repair"]
ALPHAS = line_points(5)


def losses(a, b, bn="reset", batch=20, alphas=ALPHAS, **options):
    line = Line(network(), {"train": Fixed(batch=batch)}, bn=bn, statistics=Fixed(seed=1))
    return [point["train"].loss for point in line.measure(a, b, alphas, **options)]


@pytest.mark.parametrize("bn", POLICIES)
@pytest.mark.parametrize("norm", ["batch", "layer"])
def test_equal_ends_have_no_barrier(bn, norm):
    net = network(norm=norm)
    line = Line(net, {"train": Fixed()}, bn=bn, statistics=Fixed(seed=1))
    curve = [p["train"].loss for p in line.measure(state(net), state(net), ALPHAS)]
    assert barriers(ALPHAS, curve)["chord"] == approx(0, abs=1e-12)
    assert curve[0] > 0.1


@pytest.mark.parametrize("bn", ["reset", "lerp", "repair"])
def test_the_curve_from_b_to_a_is_the_mirror_image(bn):
    a, b = state(network(0)), state(network(1))
    assert losses(a, b, bn) == approx(losses(b, a, bn)[::-1], rel=1e-10)


@pytest.mark.parametrize("bn", POLICIES)
def test_results_do_not_depend_on_the_batch_size(bn):
    a, b = state(network(0)), state(network(1))
    assert losses(a, b, bn, batch=20) == approx(losses(a, b, bn, batch=7), abs=1e-10)


def test_stored_statistics_give_the_networks_own_losses_at_both_ends():
    a, b = network(0), network(1)
    curve = losses(state(a), state(b), "lerp")
    assert curve[0] == approx(evaluate(a, Fixed()).loss, abs=1e-12)
    assert curve[-1] == approx(evaluate(b, Fixed()).loss, abs=1e-12)


def test_none_keeps_the_statistics_of_a_everywhere():
    a, b = network(0), network(1)
    curve = losses(state(a), state(b), "none")
    mixed = {
        k: a.state_dict()[k] if "running" in k or not v.is_floating_point() else v
        for k, v in b.state_dict().items()
    }
    b.load_state_dict(mixed)
    assert curve[-1] == approx(evaluate(b, Fixed()).loss, abs=1e-12)


def test_reset_recomputes_the_statistics_of_the_ends_too():
    a, b = network(0), network(1)
    curve = losses(state(a), state(b), "reset")
    reset_statistics(a, Fixed(seed=1))
    assert curve[0] == approx(evaluate(a, Fixed()).loss, abs=1e-12)


def test_known_points_are_taken_as_they_are():
    a, b = state(network(0)), state(network(1))
    line = Line(network(), {"train": Fixed()}, statistics=Fixed(seed=1))
    ends = line.measure(a, b, [0.0, 1.0])
    again = line.measure(a, b, ALPHAS, known={0.0: ends[0], 1.0: ends[1]})
    assert [p["train"].loss for p in again] == approx(losses(a, b), rel=1e-12)
    assert again[0] is not None and again[0]["train"] is ends[0]["train"]


def test_policies_differ_between_the_ends():
    a, b = state(network(0)), state(network(1))
    middles = [losses(a, b, bn)[2] for bn in POLICIES]
    assert len({round(m, 6) for m in middles}) == 4


def test_every_point_is_ticked():
    ticks = []
    losses(state(network(0)), state(network(1)), tick=lambda: ticks.append(1))
    assert len(ticks) == len(ALPHAS)


@pytest.mark.parametrize("symmetry", ["hflip", "rot90"])
def test_symmetric_networks_stay_symmetric_along_the_line(symmetry):
    a, b = network(0, symmetry), network(1, symmetry)
    line = Line(a, {})
    line.fill(state(a), state(b), 0.3)
    project = projector(Symmetry(symmetry).orbits((3, 3)))
    kernels = a.get_parameter("stages.1.0.conv1.weight").flatten(2)
    assert torch.allclose(kernels @ project.T, kernels, atol=1e-12)


def test_turned_images_are_the_images_turned():
    turned = [x for x, _ in Transformed(Fixed(), "rot90")]
    assert torch.equal(torch.cat(turned), torch.rot90(images(60), 1, (2, 3)))
