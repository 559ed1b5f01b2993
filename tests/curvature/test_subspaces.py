import pytest
import torch
from pytest import approx
from torch import nn

from symscape.config.groups import SymmetryConfig
from symscape.config.network.model import ModelConfig
from symscape.curvature import rewriting
from symscape.curvature.hessian import Hessian
from symscape.curvature.lanczos import largest_eigenvalues
from symscape.curvature.subspaces import (
    SCALINGS,
    Restricted,
    choose_bases,
    kernel_labels,
    scaling,
)
from symscape.landscape.batchnorm import reset_statistics
from symscape.layers.bases import kernel_bases
from symscape.layers.conversion import symmetric_network
from symscape.layers.effective import effective_network
from symscape.models.build import build_network, free_parameters
from symscape.symmetry.groups import Symmetry
from tests.curvature.matrices import LIKE
from tests.landscape.nets import Fixed, images


def constrained(symmetry="rot90", **options):
    config = ModelConfig(name="resnet20", width=2)
    rules = SymmetryConfig(symmetry, **options)
    net = build_network(config, rules, in_channels=3, classes=5, seed=0).double().eval()
    reset_statistics(net, Fixed())
    return net


def labels(count=20):
    return torch.randint(5, (count,), generator=torch.Generator().manual_seed(1))


def spaces(net, scale="none"):
    plain = effective_network(net)
    hessian = Hessian(plain, images(20), labels())
    own = kernel_bases(net)
    d = scaling(plain, scale)
    names = ("own", "ambient", "complement", "random")
    return {n: Restricted(hessian, choose_bases(plain, own, n), d) for n in names}


def test_dimensions():
    net = constrained()
    space = spaces(net)
    assert space["own"].dimension == free_parameters(net) == space["random"].dimension
    assert space["ambient"].dimension == sum(p.numel() for p in effective_network(net).parameters())
    total = space["own"].dimension + space["complement"].dimension
    assert total == space["ambient"].dimension


@pytest.mark.parametrize("name", ["own", "ambient", "complement", "random"])
def test_coordinates_are_orthonormal(name):
    space = spaces(constrained("hflip"))[name]
    z = torch.randn(space.dimension, dtype=torch.float64)
    v = torch.randn(space.hessian.dimension, dtype=torch.float64)
    assert torch.allclose(space.restrict(space.lift(z)), z, atol=1e-12)
    assert (v @ space.lift(z)).item() == approx((space.restrict(v) @ z).item())


def test_own_is_the_hessian_of_the_tied_parameters_themselves():
    """Their coordinates are orthonormal, so both have the same eigenvalues."""
    net = constrained("hflip")
    tied = Hessian(net, images(20), labels())
    own = spaces(net)["own"]
    for count in (1, 3):
        a, b = (
            largest_eigenvalues(each, count, like=LIKE, tolerance=1e-6).values
            for each in (tied, own)
        )
        assert a == approx(b, rel=1e-8)


def matrix(space):
    eye = torch.eye(space.dimension, dtype=torch.float64)
    return torch.stack([space.product(row) for row in eye])


def test_traces_add_up_and_eigenvalues_interlace():
    """tr H = tr P H P + tr (I - P) H (I - P); lambda_1(own) <= lambda_1(ambient)."""
    torch.manual_seed(0)
    layers = (
        *(nn.Conv2d(1, 4, 3, padding=1, bias=False), nn.BatchNorm2d(4), nn.ReLU()),
        *(nn.Conv2d(4, 6, 3, stride=2, padding=1, bias=False), nn.BatchNorm2d(6), nn.ReLU()),
        *(nn.AdaptiveAvgPool2d(1), nn.Flatten(), nn.Linear(6, 5)),
    )  # Few parameters: the dense matrix takes a product for each.
    net = symmetric_network(nn.Sequential(*layers), Symmetry("rot90")).double().eval()
    reset_statistics(net, [(images(20)[:, :1], labels())])
    plain, own = effective_network(net), kernel_bases(net)
    hessian = Hessian(plain, images(20)[:, :1], labels())
    bases = {n: choose_bases(plain, own, n) for n in ("own", "ambient", "complement")}
    whole = matrix(Restricted(hessian, bases["ambient"]))
    dense = {"ambient": whole}
    for name in ("own", "complement"):
        space = Restricted(hessian, bases[name])
        lifted = torch.stack([space.lift(row) for row in torch.eye(space.dimension).double()])
        dense[name] = lifted @ whole @ lifted.T
        v = torch.cos(torch.arange(space.dimension).double())
        torch.testing.assert_close(space.product(v), dense[name] @ v, rtol=1e-10, atol=1e-12)
    traces = {name: each.trace().item() for name, each in dense.items()}
    assert traces["ambient"] == approx(traces["own"] + traces["complement"], rel=1e-10)
    tops = {name: torch.linalg.eigvalsh(each)[-1].item() for name, each in dense.items()}
    assert tops["own"] <= tops["ambient"] + 1e-12
    assert tops["complement"] <= tops["ambient"] + 1e-12


@pytest.mark.parametrize("scale", SCALINGS)
def test_scaled_operators_are_symmetric(scale):
    space = spaces(constrained("vflip"), scale)["own"]
    v, w = torch.randn(2, space.dimension, dtype=torch.float64)
    assert (v @ space.product(w)).item() == approx((w @ space.product(v)).item(), rel=1e-8)


def test_what_is_not_constrained_is_free():
    vanilla = spaces(constrained("vanilla"))
    assert vanilla["own"].dimension == vanilla["ambient"].dimension
    assert vanilla["complement"].dimension == 0
    assert kernel_bases(constrained("rot90", parametrization="penalty")) == {}
    few = kernel_bases(constrained("rot90", layers=["stem"]))
    assert set(few) == {"conv.weight"}


def test_projected_kernels_have_the_same_own_space_as_tied_ones():
    tied, projected = (
        kernel_bases(constrained("rot90", parametrization=p)) for p in ("tied", "projected")
    )
    assert tied.keys() == projected.keys()
    assert all(torch.equal(tied[k].matrix, projected[k].matrix) for k in tied)


def test_random_subspaces_depend_on_the_seed_alone():
    net = constrained()
    plain, own = effective_network(net), kernel_bases(net)
    first, again, other = (choose_bases(plain, own, "random", seed) for seed in (0, 0, 1))
    assert torch.equal(first["conv.weight"].matrix, again["conv.weight"].matrix)
    assert not torch.equal(first["conv.weight"].matrix, other["conv.weight"].matrix)


def test_rescaling_a_convolution_leaves_filter_scaled_eigenvalues_alone():
    """A block's convolution times c, with its running mean times c and its variance times c^2."""
    plain = effective_network(constrained("rot90"))
    values = {}
    for factor in (1.0, 10.0):
        with torch.no_grad():
            block = plain.stages[1][1]
            block.norm1.eps = 0.0  # eps does not scale.
            block.conv1.weight *= factor
            block.norm1.running_mean *= factor
            block.norm1.running_var *= factor**2
        hessian = Hessian(plain, images(20), labels())
        free = choose_bases(plain, {}, "ambient")
        for scale in ("none", "filter"):
            space = Restricted(hessian, free, scaling(plain, scale))
            found = largest_eigenvalues(space, 3, like=LIKE, tolerance=1e-8, max_products=400)
            assert found.converged
            values[scale, factor] = torch.tensor(found.values, dtype=torch.float64)
    change = (values["filter", 10.0] / values["filter", 1.0] - 1).abs()
    assert change.max() < 1e-9
    assert (values["none", 10.0] / values["none", 1.0] - 1).abs().max() > 1e-4


def test_filter_scales_are_norms_of_filters():
    plain = effective_network(constrained())
    kernel = plain.conv.weight.detach()
    scale = scaling(plain, "filter")[: kernel.numel()].view(kernel.shape)
    assert torch.allclose(scale[:, 0, 0, 0], kernel.flatten(1).norm(dim=1))
    assert torch.equal(scaling(plain, "elementwise")[: kernel.numel()], kernel.abs().flatten())


@pytest.mark.parametrize("scale", SCALINGS)
@pytest.mark.parametrize("keep", [0, None])
@pytest.mark.parametrize("folds", [True, False])
def test_products_within_a_symmetry_by_folds(monkeypatch, folds, keep, scale):
    net = constrained("rot90", parametrization="projected")
    plain, own = effective_network(net), kernel_bases(net)
    d = scaling(plain, scale)
    if folds:  # It does not pay in a network as small as this.
        monkeypatch.setattr(rewriting, "training_cost", lambda *_: 0.0)
    tied = Hessian(plain, images(20), labels(), keep=keep, micro_batch=7, tied=kernel_labels(net))
    spaces = (
        Restricted(hessian, choose_bases(plain, own, "own"), d)
        for hessian in (tied, Hessian(plain, images(20), labels()))
    )
    ours, direct = (
        space.product(torch.cos(torch.arange(space.dimension).double())) for space in spaces
    )
    torch.testing.assert_close(ours, direct, rtol=1e-10, atol=1e-12)
    # What the folds leave out of a gradient says that they were there.
    gradients = [hessian.gradient()[0] for hessian in (tied, Hessian(plain, images(20), labels()))]
    assert torch.allclose(*gradients, rtol=1e-10) != folds
