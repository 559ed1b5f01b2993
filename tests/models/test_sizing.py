"""The width with about as many free parameters as asked for."""

from dataclasses import replace

import pytest
from hypothesis import given
from hypothesis import strategies as st

from symscape.config.data import DataConfig
from symscape.config.groups import SymmetryConfig
from symscape.config.network.lie import GroupConfig, KernelConfig
from symscape.config.network.model import ModelConfig
from symscape.config.train import TrainConfig
from symscape.errors import ConfigError
from symscape.jobs.train.width import settled
from symscape.models.sizing import LARGEST, count_at, nearest, with_width
from symscape.runs.identity import identify

SHAPES = {"in_channels": 1, "classes": 10, "image": (24, 24)}


def auto(model="resnet20", symmetry="rot90", groups=None, **options) -> TrainConfig:
    return TrainConfig(
        data=DataConfig("digits"),
        model=ModelConfig(model, width="auto", **options),
        symmetry=SymmetryConfig(symmetry),
        **(groups or {}),
    )


def on_turns(kernel: str, hidden: int) -> dict[str, object]:
    return {
        "group": GroupConfig("se2", rotations=4),
        "kernel": KernelConfig(kernel, hidden=hidden),
    }


@given(st.integers(1, 500), st.integers(0, 500), st.integers(0, 50), st.integers(1, LARGEST))
def test_a_width_is_found_from_its_own_count(square, slope, rest, width):
    def value(w: int) -> int:
        return square * w**2 + slope * w + rest

    counts = (value(2), value(3), value(4))
    assert nearest(value(width), counts) == width
    if width < LARGEST:
        beyond = (value(width + 1) - value(width)) // 2 - 1  # Less than half the way.
        assert nearest(value(width) + max(beyond, 0), counts) == width


@pytest.mark.parametrize(
    "config",
    [
        auto(like="vanilla"),
        auto(parameters=50_000, shortcut="pad", norm="layer"),
        auto("resnet18", "hvflip", parameters=300_000, downsample="blur"),
        auto("ckgresnet", "vanilla", on_turns("separable", 8), parameters=40_000, kernel_size=3),
        auto("ckgcnn", "vanilla", on_turns("nonseparable", 4), parameters=40_000, kernel_size=3),
    ],
    ids=lambda config: f"{config.model.name}-{config.model.parameters}",
)
def test_no_neighbour_comes_nearer(config):
    found, count, wanted = with_width(config, SHAPES)
    kind, width = config.symmetry.name, found.model.width

    def distance(width: int) -> int:
        return abs(count_at(config, width, kind, SHAPES) - wanted)

    assert count == count_at(config, width, kind, SHAPES)
    assert distance(width) == min(distance(w) for w in (width - 1, width, width + 1))


def test_the_standard_width_is_found_again():
    found, count, wanted = with_width(auto(symmetry="vanilla", like="vanilla"), SHAPES)
    assert (found.model.width, count) == (16, wanted)


def test_projected_kernels_count_as_tied_ones():
    config = auto(like="vanilla")
    stored = replace(config, symmetry=replace(config.symmetry, parametrization="projected"))
    assert with_width(config, SHAPES)[1:] == with_width(stored, SHAPES)[1:]


def test_a_run_has_one_name_however_its_width_was_asked_for():
    said: list[str] = []
    found = settled(auto(like="vanilla"), said.append)
    plain = replace(found, model=ModelConfig("resnet20", width=found.model.width))
    assert found == plain and settled(plain) is plain
    assert identify(found, "digits") == identify(plain, "digits")
    assert said == ["model.width=auto: 27, with 264,799 free parameters; 272,186 wanted (-2.7%)"]


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"width": "auto"}, "either model.parameters=NUMBER or model.like"),
        ({"width": "auto", "like": "hflip", "parameters": 9}, "either model.parameters"),
        ({"width": 8, "like": "hflip"}, "model.like=hflip: needs model.width=auto"),
        ({"parameters": 9}, "model.parameters=9: needs model.width=auto"),
        ({"width": "wide"}, "a whole number >= 1, or auto"),
        ({"width": 4.5}, "a whole number >= 1, or auto"),
        ({"width": True}, "a whole number >= 1, or auto"),
        ({"width": "auto", "like": "rot45"}, "model.like=rot45"),
        ({"name": "ckgcnn", "width": "auto", "like": "vanilla"}, "takes model.parameters=NUMBER"),
    ],
)
def test_what_cannot_be_found_is_refused_in_one_line(options, message):
    with pytest.raises(ConfigError, match=message):
        TrainConfig(data=DataConfig("digits"), model=ModelConfig(**options))


def test_a_number_that_no_width_has_is_refused():
    with pytest.raises(ConfigError, match=r"model.parameters=3: widths 1 to 4096 have"):
        settled(auto(parameters=3))
