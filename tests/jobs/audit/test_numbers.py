"""The numbers of a result: means over what exists, with and without layers of no common kernel."""

import math

import pytest

from symscape.jobs.audit.numbers import mean_of, numbers_of
from tests.jobs.audit.test_claims import layer, run


def test_layers_without_a_common_kernel_are_left_out_of_one_of_two_means():
    chances = [(0.2, 0.01), (0.6, 0.5), (None, 1.0), (1.0, 0.05)]
    layers = [layer(str(i), s) | {"strength_p": p} for i, (s, p) in enumerate(chances)]
    found = numbers_of(run(0, layers=layers))
    assert found["S/final"] == pytest.approx(0.6)
    assert found["S_common/final"] == pytest.approx(0.6)
    assert found["S_beats_chance/final"] == 0
    assert math.isnan(found["S_strided/final"])
    common = numbers_of(run(0, layers=layers[:2]))
    assert common["S_common/init"] == pytest.approx(0.2) != common["S/init"]


def test_what_is_symmetric_by_construction_is_not_compared_with_chance():
    layers = [layer("a", 0.9) | {"p": 0.001}]
    plain = numbers_of(run(0, layers=layers))
    tied = numbers_of(run(0, layers=layers, tied=["rot90"]))
    assert plain["S_beats_chance/final"] == 1 and tied["S/final"] == plain["S/final"]
    of_chance = {f"{name}/final" for name in ("S_chance", "S_beats_chance", "twin_beats_chance")}
    assert {n for n in plain.keys() - tied.keys() if n.endswith("final")} == of_chance


def test_the_mean_of_nothing_is_no_number():
    assert math.isnan(mean_of([])) and math.isnan(mean_of([None]))
