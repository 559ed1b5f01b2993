"""The line between two state dicts, against the instruments that the doors use."""

import copy

import pytest
import torch
from torch import nn

import symscape.library as ss
from symscape.config.groups import SymmetryConfig
from symscape.config.network.model import ModelConfig
from symscape.errors import SymscapeError
from symscape.landscape.barriers import barriers
from symscape.landscape.interpolation import Line, line_points
from symscape.models.build import build_network
from tests.landscape.nets import Fixed, network, state

SHOWN = Fixed(60, 60)
X, Y = SHOWN.x, SHOWN.y


@pytest.mark.parametrize("bn", ["reset", "lerp", "none", "repair"])
def test_the_line_is_that_of_the_doors(bn):
    net, other = network(0), network(1)
    curve = ss.connect(net, state(net), state(other), X, Y, points=3, bn=bn)
    line = Line(copy.deepcopy(net), {"shown": SHOWN}, bn=bn, statistics=SHOWN)
    points = line.measure(state(net), state(other), line_points(3))
    expected = [point["shown"].loss for point in points]
    assert curve.loss == pytest.approx(expected, rel=1e-10) and curve.images == 60
    assert curve.error == [point["shown"].error for point in points]
    for definition, value in barriers(curve.alphas, curve.loss).items():
        assert curve.barrier("loss", definition) == value


def test_the_network_is_left_as_it_is():
    net, other = network(0).train(), network(1)
    before, mode = state(net), net.training
    ss.connect(net, state(other), state(net), X, Y, points=3)
    assert net.training is mode
    assert all(torch.equal(before[name], t) for name, t in net.state_dict().items())


@pytest.mark.parametrize("parametrization", ["tied", "projected"])
def test_symmetric_networks_are_walked_between_effective_kernels(parametrization):
    made = [
        build_network(
            ModelConfig("resnet20", width=2),
            SymmetryConfig("rot90", parametrization=parametrization),
            in_channels=3,
            classes=5,
            seed=seed,
        ).double()
        for seed in (0, 1)
    ]
    plain = [ss.effective_network(each.eval()) for each in made]
    own = ss.connect(made[0], state(made[0]), state(made[1]), X, Y, points=3)
    effective = ss.connect(plain[0], state(plain[0]), state(plain[1]), X, Y, points=3)
    mixed = ss.connect(made[0], state(plain[0]), state(made[1]), X, Y, points=3)
    assert own.loss == pytest.approx(effective.loss, rel=1e-9)
    assert mixed.loss == own.loss


def test_statistics_are_those_of_other_images_where_they_are_given():
    net, other = network(0), network(1)
    few = Fixed(60, 60, seed=5)
    curve = ss.connect(net, state(net), state(other), X, Y, points=3, statistics=few.x)
    line = Line(copy.deepcopy(net), {"shown": SHOWN}, statistics=few)
    expected = [p["shown"].loss for p in line.measure(state(net), state(other), [0, 0.5, 1])]
    assert curve.loss == pytest.approx(expected, rel=1e-10)


class Many(nn.Module):
    def __init__(self) -> None:
        super().__init__()
        self.inner = nn.Linear(192, 5)

    def forward(self, x):
        return {"logits": self.inner(x.flatten(1))}


def spoiled(net, name="conv.weight", value=float("nan")):
    broken = state(net)
    broken[name] = broken[name] * value
    return broken


@pytest.mark.parametrize(
    "change, message",
    [
        ({"labels": Y + 3}, "classes are 0 to 4"),
        ({"labels": Y[:10]}, "one for each of 60 images"),
        ({"images": X.byte()}, "images=torch.uint8"),
        ({"images": X[0]}, "must be (N, C, H, W)"),
        ({"bn": "rest"}, "did you mean 'reset'?"),
        ({"points": 1}, "points=1"),
        ({"right": {"conv.weight": X}}, "right: of another architecture"),
        ({"left": spoiled(network())}, "left: conv.weight holds values that are not finite"),
    ],
)
def test_what_cannot_be_used_is_said_in_one_line(change, message):
    net = network()
    given = {"left": state(net), "right": state(net), "images": X, "labels": Y} | change
    with pytest.raises(SymscapeError) as error:
        ss.connect(net, **given)
    assert message in str(error.value) and "\n" not in str(error.value)


def test_a_network_that_answers_with_more_than_logits_is_refused():
    net = Many().double()
    with pytest.raises(SymscapeError, match="returns dict, no tensor of logits"):
        ss.connect(net, state(net), state(net), X, Y)


def test_a_network_made_symmetric_is_walked_from_what_it_was():
    plain = network(0)
    tied = ss.symmetric_network(plain, ss.Symmetry("hflip"))
    curve = ss.connect(tied, state(plain), state(tied), X, Y, points=3)
    expected = ss.connect(
        plain, state(plain), ss.effective_network(tied).state_dict(), X, Y, points=3
    )
    assert curve.loss == pytest.approx(expected.loss, rel=1e-12) and curve.loss[0] != curve.loss[2]
