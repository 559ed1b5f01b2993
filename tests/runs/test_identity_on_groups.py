"""What makes a run of a network on a group what it is, and what cannot be run."""

from dataclasses import replace

import pytest

from symscape.config.groups import SymmetryConfig
from symscape.config.network.lie import GroupConfig, KernelConfig
from symscape.config.network.model import ModelConfig
from symscape.config.train import TrainConfig
from symscape.errors import ConfigError
from symscape.runs.identity import config_hash, identify, identity


def on_group(group: GroupConfig, kernel: str | KernelConfig, **changes) -> TrainConfig:
    kernel = KernelConfig(kernel) if isinstance(kernel, str) else kernel
    model = ModelConfig("ckgresnet")
    return replace(TrainConfig(model=model, group=group, kernel=kernel), **changes)


def hash_of(group: GroupConfig, kernel: str | KernelConfig = "separable", **changes) -> str:
    return config_hash(on_group(group, kernel, **changes), "cifar10")


@pytest.mark.parametrize("model", ["resnet18", "resnet20"])
@pytest.mark.parametrize(
    "changes",
    [
        {"group": GroupConfig(rotations=4, scales=5, max_scale=2.0, reach=0)},
        {"group": GroupConfig(compute="expanded")},
        {"kernel": KernelConfig("pixels")},
        {"kernel": KernelConfig(hidden=8, layers=2, first_omega=3.0, omega=9.0)},
    ],
    ids=str,
)
def test_groups_and_kernels_are_nothing_to_other_networks(model, changes):
    base = TrainConfig(model=ModelConfig(model))
    changed = replace(base, **changes)
    assert config_hash(changed, "cifar10") == config_hash(base, "cifar10")
    assert not {key for key in identity(changed, "cifar10") if key.startswith(("group", "kernel"))}


def test_runs_from_before_there_were_groups_stay_where_they_are():
    assert config_hash(TrainConfig(), "cifar10") == "e57a32e8"


def test_defaults_leave_only_names():
    tree = identity(on_group(GroupConfig("se2"), "separable"), "cifar10")
    assert {key: value for key, value in tree.items() if key.startswith(("group", "kernel"))} == {
        "group.name": "se2",
        "kernel.name": "separable",
    }


@pytest.mark.parametrize(
    ("base", "changed"),
    [
        (GroupConfig("se2"), GroupConfig("se2", rotations=4)),
        (GroupConfig("e2"), GroupConfig("e2", rotations=4)),
        (GroupConfig("sim2"), GroupConfig("sim2", rotations=4)),
        (GroupConfig("se2"), GroupConfig("se2", sampling="random")),
        (GroupConfig("se2"), GroupConfig("e2")),
        (GroupConfig("scale"), GroupConfig("scale", scales=4)),
        (GroupConfig("scale"), GroupConfig("scale", max_scale=2.0)),
        (GroupConfig("sim2"), GroupConfig("sim2", reach=0)),
    ],
    ids=str,
)
def test_what_a_group_has_counts(base, changed):
    assert hash_of(base) != hash_of(changed)


@pytest.mark.parametrize(
    ("base", "changed"),
    [
        (GroupConfig("scale"), GroupConfig("scale", rotations=4)),
        (GroupConfig("se2"), GroupConfig("se2", scales=4, max_scale=2.0, reach=0)),
        (GroupConfig("e2"), GroupConfig("e2", reach=0)),
        *((GroupConfig("se2"), GroupConfig("se2", compute=c)) for c in ("expanded", "passes")),
    ],
    ids=str,
)
def test_what_it_has_not_does_not(base, changed):
    assert hash_of(base) == hash_of(changed)


SIRENS = [{"hidden": 32}, {"layers": 2}, {"first_omega": 10.0}, {"omega": 10.0}]


@pytest.mark.parametrize("changes", SIRENS, ids=str)
def test_functions_that_make_kernels_count_where_there_are_some(changes):
    se2, p4 = GroupConfig("se2"), GroupConfig("se2", rotations=4)
    assert hash_of(se2) != hash_of(se2, KernelConfig("separable", **changes))
    assert hash_of(p4, "pixels") == hash_of(p4, KernelConfig("pixels", **changes))


def test_kernels_count():
    kernels = ("nonseparable", "separable", "gseparable", "dseparable", "dgseparable")
    assert len({hash_of(GroupConfig("se2"), kernel) for kernel in kernels}) == len(kernels)


@pytest.mark.parametrize(
    ("group", "kernel", "start"),
    [
        ("se2", "separable", "digits_rot-ckgresnet-se2-separable-none"),
        ("sim2", "separable+2d", "digits_rot-ckgresnet-sim2-separable+2d-none"),
        ("none", "pixels", "digits_rot-ckgresnet-none-pixels-none"),
    ],
)
def test_names_say_group_and_kernel(group, kernel, start):
    config = on_group(GroupConfig(group), kernel)
    config.data = replace(config.data, name="digits_rot")
    name = identify(config, "digits_rot").name
    assert name == f"{start}-{config_hash(config, 'digits_rot')}"


SE2, SIM2 = GroupConfig("se2"), GroupConfig("sim2")


@pytest.mark.parametrize(
    ("bad", "message"),
    [
        (
            lambda: TrainConfig(group=GroupConfig("se2")),
            "group=se2: needs model=ckgresnet, ckgcnn or ckgallcnnc",
        ),
        (
            lambda: on_group(SE2, "separable", symmetry=SymmetryConfig("rot90")),
            "symmetry=rot90: model=ckgresnet takes vanilla; group=se2 makes it equivariant",
        ),
        (lambda: on_group(SE2, "separable+2d"), "kernel=separable+2d: needs group=sim2"),
        (lambda: on_group(SE2, "gseparable+2d"), "kernel=gseparable+2d: needs group=sim2"),
        (
            lambda: on_group(replace(SIM2, reach=0), "separable+2d"),
            "kernel=separable+2d: needs group=sim2 and group.reach > 0",
        ),
        (
            lambda: on_group(SE2, "pixels"),
            "kernel=pixels: needs rotations 1, 2 or 4 and no scales",
        ),
        (
            lambda: on_group(replace(SIM2, rotations=4), "pixels"),
            "kernel=pixels: needs rotations 1, 2 or 4 and no scales",
        ),
        (lambda: on_group(GroupConfig(), "separable"), "kernel=separable: needs group="),
        (lambda: KernelConfig("seperable"), "kernel=seperable: did you mean"),
        (lambda: GroupConfig("se3"), "group=se3: did you mean"),
        (lambda: GroupConfig("scale", max_scale=0.9), "group.max_scale=0.9: must be"),
        (
            lambda: on_group(GroupConfig("sim2", max_scale=3.5), "separable"),
            "group.max_scale=3.5: model.kernel_size=7 needs less than 3.5: else the smallest",
        ),
        (lambda: GroupConfig("scale", scales=1), "group.scales=1: must be"),
        (lambda: GroupConfig("scale", reach=3), "group.reach=3: must be"),
        (lambda: GroupConfig("se2", rotations=0), "group.rotations=0: must be"),
        (lambda: GroupConfig("se2", rotations=1), "group.rotations=1: "),
        (lambda: GroupConfig("e2", 1, sampling="random"), "group.sampling=random: needs"),
        (lambda: GroupConfig("scale", sampling="random"), "group.sampling=random: needs"),
        (lambda: GroupConfig("se2", sampling="often"), "group.sampling=often: allowed are"),
        (lambda: GroupConfig("se2", compute="fast"), "group.compute=fast: "),
        (lambda: KernelConfig(hidden=0), "kernel.hidden=0: must be"),
        (lambda: KernelConfig(first_omega=0.0), "kernel.first_omega=0.0: must be"),
        (
            lambda: ModelConfig("ckgresnet", kernel_size=[3, 5]),
            "model.kernel_size=[3, 5]: model=ckgresnet needs a square kernel",
        ),
        (lambda: ModelConfig("ckgresnet", kernel_size=4), "model.kernel_size=4: allowed are"),
        (lambda: ModelConfig("ckgresnet", kernel_size=17), "model.kernel_size=17: allowed are"),
        (lambda: ModelConfig("ckgcnn", padding="reflect"), "model.padding=reflect: model=ckgcnn"),
        (lambda: ModelConfig("ckgcnn", downsample="blur"), "model.downsample=blur: model=ckgcnn"),
        (lambda: ModelConfig("ckgcnn", shortcut="pad"), "model.shortcut=pad: model=ckgcnn"),
        (lambda: ModelConfig("resnet18", pool="max"), "model.pool=max: model=resnet18"),
        (lambda: ModelConfig("ckgresnet", pool="min"), "model.pool=min: "),
        (lambda: on_group(SE2, "separable", compile=True), "compile=True: model=ckgresnet"),
    ],
    ids=lambda v: v if isinstance(v, str) else "",
)
def test_each_bad_setting_is_refused_in_one_line(bad, message):
    with pytest.raises(ConfigError) as error:
        bad()
    assert str(error.value).startswith(message)
    assert "\n" not in str(error.value)
