"""Networks on groups: their size, that their logits do not move, and their plain twins."""

import copy
import math

import pytest
import torch

from symscape.config.data import DataConfig
from symscape.config.groups import SymmetryConfig
from symscape.config.network.lie import GroupConfig, KernelConfig
from symscape.config.network.model import ModelConfig
from symscape.data.load import load_data
from symscape.errors import ConfigError
from symscape.landscape.batchnorm import reset_statistics
from symscape.layers.effective import effective_network
from symscape.layers.evaluation import for_evaluation
from symscape.layers.lie.sampling import Turn, draw_anew, drawn_of
from symscape.models.build import build_network, build_plain, free_parameters
from symscape.symmetry.equivariance import mean_change, mean_distance
from symscape.symmetry.groups import ELEMENTS
from tests.layers.lie.grids import GROUPS, kernels_of
from tests.layers.lie.networks import NAMES, VARIANTS, Fixed, network

SE2, E2 = GroupConfig("se2"), GroupConfig("e2", rotations=4)
SIM2 = GroupConfig("sim2")


@pytest.mark.parametrize(
    ("group", "kernel", "count"),
    [
        (SE2, "nonseparable", 716_842),
        (SE2, "separable", 755_722),
        (SE2, "gseparable", 1_405_674),
        (SE2, "dseparable", 78_154),
        (SE2, "dgseparable", 117_034),
        (E2, "separable", 755_370 + 704),
        (SIM2, "separable", 755_370 + 704),
        (SIM2, "separable+2d", 794_954),
    ],
    ids=lambda v: getattr(v, "name", str(v)),
)
def test_the_numbers_of_parameters(group, kernel, count):
    """Knigge et al. 2022, table 1, but for what sees an angle: its cosine and sine."""
    net = build_network(
        ModelConfig("ckgresnet"),
        SymmetryConfig(),
        in_channels=1,
        classes=10,
        seed=0,
        image=(28, 28),
        group=group,
        kernel=KernelConfig(kernel),
    )
    assert free_parameters(net) == count


def change(net: torch.nn.Module, x: torch.Tensor, elements) -> float:
    with torch.no_grad():
        y = net(x)
        return max(((net(ELEMENTS[e](x)) - y).norm() / y.norm()).item() for e in elements)


@pytest.mark.parametrize(
    ("side", "dtype", "bound"),
    [(19, torch.float64, 1e-12), (20, torch.float64, 1e-12), (20, torch.float32, 1e-5)],
    ids=str,
)
@pytest.mark.parametrize("case", ["se2", "se2,6", "e2", "sim2"])
@pytest.mark.parametrize("model", NAMES)
def test_logits_do_not_move_with_the_image(model, case, side, dtype, bound):
    """After a pass in train mode over upright images alone."""
    image = (side, side)
    net, x = network(case, model, image=image, dtype=dtype), Fixed(6, image).x.to(dtype)
    assert len(net.grid.lattice) > 1
    assert change(net, x, net.grid.lattice) <= bound
    assert (net(x) - net(x.flip(0))).norm() > 1e-2 * net(x).norm()


@pytest.mark.parametrize("options", [{"norm": "layer"}, {"pool": "max"}], ids=str)
@pytest.mark.parametrize("model", NAMES)
def test_nor_with_other_norms_and_pools(model, options):
    net = network("e2", model, **options)
    assert change(net, Fixed(4).x, net.grid.lattice) <= 1e-12


def test_symmetries_that_the_grid_has_not_move_them():
    assert change(network("se2"), Fixed(6).x, ["hflip"]) > 1e-3
    assert change(network("se2,6"), Fixed(6).x, ["rot90"]) > 1e-3


@pytest.mark.parametrize("model", NAMES)
@pytest.mark.parametrize("case", ["se2,6", "e2"])
def test_images_that_are_not_square(model, case):
    """Even quarter turns, which exchange height and width: the layers take any size."""
    net, x = network(case, model, image=(20, 30)), Fixed(4, (20, 30)).x
    assert net(x).shape == (4, 5)
    assert change(net, x, net.grid.lattice) <= 1e-12


@pytest.mark.parametrize("case", ["none", "scale"])
@pytest.mark.parametrize("model", NAMES)
def test_networks_on_grids_without_turns(model, case):
    assert network(case, model)(Fixed(4).x).shape == (4, 5)


@pytest.mark.parametrize(
    ("model", "size", "side", "message"),
    [
        ("ckgresnet", 15, 14, "model.kernel_size=15: images have 14 pixels"),
        ("ckgallcnnc", 9, 8, "model.kernel_size=9: images have 8 pixels"),
        ("ckgresnet", 3, 8, "data.image_size=8: the last kernel, of 3 pixels, meets a map of 2"),
        ("ckgcnn", 3, 16, "data.image_size=16: the last kernel, of 3 pixels, meets a map of 2"),
    ],
)
def test_kernels_that_do_not_fit_are_refused_in_one_line(model, size, side, message):
    with pytest.raises(ConfigError) as error:
        network("se2", model, kernel_size=size, image=(side + 9, side))
    assert str(error.value) == message


@pytest.mark.parametrize(("side", "last"), [(28, 3), (32, 3), (69, 9), (96, 11)])
def test_the_last_kernel_grows_with_the_image(side, last):
    """With kernels of 7 pixels, as in the paper's networks."""
    net = network("none", image=(28, 28), kernel_size=7, kernel="nonseparable")
    assert net.last.kernel_size == 3
    options = {"in_channels": 1, "classes": 5, "image": (side, side), "group": GroupConfig()}
    assert build_plain(ModelConfig("ckgresnet", width=1), **options).last.kernel_size == (last,) * 2


@pytest.mark.parametrize(("model", "case"), VARIANTS)
def test_the_effective_network_computes_the_same(model, case):
    net, x = network(case, model), Fixed(6).x
    before = copy.deepcopy(net.state_dict())
    plain = effective_network(net)
    with torch.no_grad():
        torch.testing.assert_close(plain(x), net(x), rtol=1e-12, atol=1e-13)
        evaluated = for_evaluation(plain, "float64")
        torch.testing.assert_close(evaluated(x), net(x), rtol=1e-11, atol=1e-12)
    own, theirs = net.state_dict(), plain.state_dict()
    assert all(torch.equal(own[name], tensor) for name, tensor in before.items())
    assert not {t.data_ptr() for t in own.values()} & {t.data_ptr() for t in theirs.values()}


def test_what_evaluates_it_fuses_norms_and_sees_new_weights():
    plain, other = (effective_network(network("e2", seed=seed)) for seed in (0, 1))
    fused, x = for_evaluation(plain, "float64"), Fixed(6).x
    kinds = [type(m).__name__ for m in fused.children()]
    assert kinds.count("_Evaluation") >= 7
    with torch.no_grad():
        fused(x)
        plain.load_state_dict(other.state_dict())
        torch.testing.assert_close(fused(x), other(x), rtol=1e-11, atol=1e-12)


@pytest.mark.parametrize("model", NAMES)
@pytest.mark.parametrize("group", ["none", "se2,4", "e2", "scale", "sim2"])
def test_all_kernels_of_a_grid_have_one_effective_network(model, group):
    options = {"in_channels": 1, "classes": 5, "image": (20, 20), "group": GROUPS[group]}
    config = ModelConfig(model, width=1, kernel_size=3)
    expected = build_plain(config, **options).state_dict()
    for kernel in kernels_of(group):
        spec = KernelConfig(kernel, hidden=4)
        net = build_network(config, SymmetryConfig(), seed=0, kernel=spec, **options)
        shapes = {
            name: tensor.shape for name, tensor in effective_network(net).state_dict().items()
        }
        assert shapes == {name: tensor.shape for name, tensor in expected.items()}


def test_a_seed_is_all_that_a_network_starts_from():
    torch.manual_seed(0)
    first = network("sim2", seed=3).state_dict()
    torch.manual_seed(1)
    again, other = network("sim2", seed=3).state_dict(), network("sim2", seed=4).state_dict()
    assert all(torch.equal(again[name], tensor) for name, tensor in first.items())
    assert not torch.equal(other["lift.kernel.parts.0.weights.0"], first[next(iter(first))])


def test_a_grid_is_turned_at_random_in_training_alone():
    group, kernel = GroupConfig("se2", rotations=4, sampling="random"), KernelConfig(hidden=6)
    config = ModelConfig("ckgresnet", width=2, kernel_size=5)
    options = {"in_channels": 1, "classes": 5, "seed": 0, "image": (20, 20)}
    net = build_network(config, SymmetryConfig(), group=group, kernel=kernel, **options).double()
    net.head.dropout.p, x = 0.0, Fixed(6).x
    drawn = drawn_of(net)
    seen = []
    for step in (0, 1, 0):
        draw_anew(drawn, 0, step)
        assert 0 < net.turn.angle < math.pi / 2
        seen.append(net(x))
    assert torch.equal(seen[0], seen[2]) and not torch.allclose(seen[0], seen[1], rtol=1e-3)
    assert change(net, x, ["rot90", "rot180", "rot270"]) <= 1e-12
    first = net.eval()(x)
    draw_anew(drawn, 0, 5)
    assert torch.equal(net(x), first)


@pytest.mark.slow
@pytest.mark.parametrize(("kernel", "rotations"), [("nonseparable", 8), ("separable", 16)])
def test_smooth_kernels_hardly_see_where_between_its_angles_a_grid_lies(
    monkeypatch, kernel, rotations
):
    """Of untrained networks, three draws, the grid turned by half a step; rough kernels see it."""
    data = load_data(DataConfig("digits_rot"))
    images = (data.test.images[:24].float() / 255 - data.mean[0]) / data.std[0]

    def displacement(seed: int, omega: float) -> float:
        net = build_network(
            ModelConfig("ckgresnet", width=8),
            SymmetryConfig(),
            in_channels=1,
            classes=10,
            seed=seed,
            image=(24, 24),
            group=GroupConfig("se2", rotations=rotations),
            kernel=KernelConfig(kernel, first_omega=omega, omega=omega),
        ).eval()
        with torch.no_grad(), monkeypatch.context() as patch:
            reset_statistics(net, [(images, None)])
            logits = net(images)
            patch.setattr(Turn, "angle", property(lambda self: math.pi / rotations))
            return mean_change(net(images), logits) / mean_distance(logits)

    smooth, rough = ([displacement(seed, omega) for seed in range(3)] for omega in (3.0, 10.0))
    assert 0 < sum(smooth) / 3 < 0.05 < sum(rough) / 3
