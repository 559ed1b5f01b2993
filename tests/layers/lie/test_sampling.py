"""What is drawn at every step of a training is a function of its seed and the step."""

import math

import pytest
import torch
from torch import nn

from symscape.layers.lie.sampling import Dropout, Turn, draw_anew, drawn_of, step_of

X = torch.ones(20, 30, 10)


def modules() -> nn.Sequential:
    turn = Turn(math.pi / 4)
    return nn.Sequential(turn, Dropout(0.3), nn.Sequential(Dropout(0.3), turn))


def draws(seed: int, step: int) -> tuple[float, torch.Tensor, torch.Tensor]:
    turn, one, (other, _) = net = modules()
    draw_anew(drawn_of(net), seed, step)
    return turn.angle, one(X), other(X)


def test_seed_and_step_repeat_a_draw():
    first, again = draws(3, 7), draws(3, 7)
    assert first[0] == again[0]
    assert torch.equal(first[1], again[1]) and torch.equal(first[2], again[2])


def test_a_draw_leaves_other_generators_alone():
    torch.manual_seed(0)
    before = torch.get_rng_state()
    draws(0, 0)
    assert torch.equal(torch.get_rng_state(), before)


@pytest.mark.parametrize("other", [(3, 8), (4, 7)], ids=str)
def test_steps_and_seeds_differ(other):
    first, second = draws(3, 7), draws(*other)
    assert first[0] != second[0] and not torch.equal(first[1], second[1])


def test_modules_differ_and_a_shared_one_draws_once():
    net = modules()
    assert len(drawn_of(net)) == 3
    _, one, other = draws(0, 0)
    assert not torch.equal(one, other)


def test_nothing_is_drawn_in_evaluation():
    turn, drop, _ = modules().eval()
    assert turn.angle == 0.0 and drop(X) is X
    assert Turn().angle == 0.0 and Dropout(0.0)(X) is X


@pytest.mark.parametrize("p", [0.2, 0.5])
def test_dropout_keeps_the_mean_and_drops_its_share(p):
    y = Dropout(p)(X)
    assert y.unique().tolist() == pytest.approx([0.0, 1 / (1 - p)])
    assert (y == 0).float().mean().item() == pytest.approx(p, abs=0.03)


@pytest.mark.parametrize("dtype", [torch.float64, torch.float32, torch.bfloat16], ids=str)
def test_dropout_keeps_the_type_and_drops_the_same(dtype):
    y = Dropout(0.5)(X.to(dtype))
    assert y.dtype == dtype and torch.equal(y.float(), Dropout(0.5)(X))


def test_turns_are_uniform_within_a_step_of_the_grid():
    turn = Turn(step_of(8, "random"))
    angles = []
    for step in range(400):
        draw_anew([turn], 0, step)
        angles.append(turn.angle / (math.pi / 4))
    drawn = torch.tensor(angles).sort().values
    assert (drawn - torch.linspace(0, 1, 400)).abs().max() < 0.1
    assert step_of(8, "fixed") == 0.0
