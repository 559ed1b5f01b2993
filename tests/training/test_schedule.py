"""Learning-rate schedules and the steps at which weights are kept."""

import math
from itertools import pairwise

import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st

from symscape.config.groups import SchedulerConfig
from symscape.training.callbacks.recorder import trajectory_steps
from symscape.training.schedule import ONECYCLE_START, learning_rate_factor


def factors(name: str, total: int, **options: float) -> list[float]:
    config = SchedulerConfig(name=name, **options)
    return [learning_rate_factor(step, total, config) for step in range(total)]


def test_steps_drop_at_40_and_80_per_cent():
    rates = factors("steps", 100)
    assert rates[39] == 1 and rates[40] == 0.1 and rates[79] == 0.1
    assert rates[80] == pytest.approx(0.01)


def test_cosine_is_torch_s():
    sgd = torch.optim.SGD([torch.zeros(1, requires_grad=True)], lr=1.0)
    reference = torch.optim.lr_scheduler.CosineAnnealingLR(sgd, 50)
    for rate in factors("cosine", 50):
        assert rate == pytest.approx(sgd.param_groups[0]["lr"], abs=1e-12)
        sgd.step()
        reference.step()


def test_onecycle_rises_to_one_and_falls_towards_zero():
    rates = factors("onecycle", 100, warmup=0.25)
    assert rates[0] == ONECYCLE_START and max(rates) == rates[25] == 1
    assert rates[-1] == pytest.approx(1 / 75)
    assert rates[:26] == sorted(rates[:26]) and rates[25:] == sorted(rates[25:], reverse=True)
    assert factors("onecycle", 4, warmup=0.0)[0] == 1


@given(st.sampled_from(["steps", "cosine", "onecycle"]), st.integers(1, 300), st.floats(0, 0.999))
def test_rates_stay_within_the_base_rate(name, total, warmup):
    assert all(0 < rate <= 1 for rate in factors(name, total, warmup=warmup))
    # The scheduler asks for one more than there are steps.
    config = SchedulerConfig(name=name, warmup=warmup)
    assert 0 <= learning_rate_factor(total, total, config) <= 1


@given(st.integers(0, 50), st.integers(1, 40_000))
def test_trajectory_steps_are_dense_at_the_start_and_before_the_end(count, total):
    steps = trajectory_steps(count, total)
    assert steps == sorted(set(steps)) and len(steps) <= count
    assert all(1 <= step < total for step in steps)
    if total > 2 and count > 1:
        assert steps[0] == 1 and steps[-1] == total - 1


def test_a_long_run_keeps_its_weights_under_a_gigabyte():
    resnet18, files = 11_173_962 + 2 * 9_600 // 2, len(trajectory_steps(20, 100 * 176)) + 2
    assert 18 <= files - 2 <= 20
    assert files * resnet18 * 4 < 1e9
    late = trajectory_steps(20, 17_600)[8:]
    gaps = [math.log(b / a) for a, b in pairwise(late)]
    assert max(gaps) / min(gaps) < 1.2, "logarithmic spacing"
