import gc
import weakref

import pytest
import torch
from pytest import approx
from torch import nn
from torch.func import functional_call, hessian

from symscape.curvature.hessian import Hessian
from symscape.curvature.lanczos import largest_eigenvalues
from symscape.curvature.trace import hutch_plus_plus
from tests.curvature.matrices import LIKE
from tests.landscape.nets import images, network

torch.manual_seed(0)
X = torch.randn(30, 4, dtype=torch.float64)
LABELS = torch.randint(3, (30,))


def squares(outputs, targets):
    return (outputs - targets).square().mean(1).sum()


def linear(inputs=4, outputs=3, bias=False):
    return nn.Linear(inputs, outputs, bias=bias).double().eval()


def dense(operator):
    eye = torch.eye(operator.dimension, dtype=torch.float64)
    return torch.stack([operator.product(row) for row in eye])


def test_linear_regression():
    """H = (2 / NC) I (x) X^T X."""
    targets = torch.randn(30, 3, dtype=torch.float64)
    found = dense(Hessian(linear(), X, targets, loss=squares, micro_batch=7))
    expected = 2 / (30 * 3) * torch.kron(torch.eye(3, dtype=torch.float64), X.T @ X)
    assert torch.allclose(found, expected, atol=1e-12)


def test_softmax_regression():
    """The mean of (diag p - p p^T) (x) x x^T."""
    net = linear()
    p = net(X).softmax(1).detach()
    blocks = torch.diag_embed(p) - torch.einsum("na,nb->nab", p, p)
    expected = torch.einsum("nab,ni,nj->aibj", blocks, X, X).reshape(12, 12) / 30
    assert torch.allclose(dense(Hessian(net, X, LABELS)), expected, atol=1e-12)


@pytest.mark.parametrize("keep", [0, 10**9])
def test_a_small_smooth_network_against_torch_func(keep):
    net = nn.Sequential(nn.Linear(4, 5), nn.Tanh(), nn.Linear(5, 3)).double().eval()
    shapes = [(name, p.shape) for name, p in net.named_parameters()]

    def loss(flat):
        parts = flat.split([shape.numel() for _, shape in shapes])
        values = {n: part.view(s) for (n, s), part in zip(shapes, parts, strict=True)}
        return nn.functional.cross_entropy(functional_call(net, values, X), LABELS)

    operator = Hessian(net, X, LABELS, micro_batch=8, keep=keep)
    expected = hessian(loss)(operator.point())
    assert torch.allclose(dense(operator), expected, atol=1e-12)
    assert operator.kept_share == (1.0 if keep else 0.0)


def test_a_two_layer_linear_network():
    """With f = B A x and squared loss, the block of A is (2 / NC) B^T B (x) X^T X."""
    net = nn.Sequential(linear(4, 5), linear(5, 3)).eval()
    targets = torch.randn(30, 3, dtype=torch.float64)
    found = dense(Hessian(net, X, targets, loss=squares))[:20, :20]
    b = net[1].weight.detach()
    assert torch.allclose(found, 2 / 90 * torch.kron(b.T @ b, X.T @ X), atol=1e-12)


def resnet_hessian(count=22, **options):
    labels = torch.randint(5, (count,), generator=torch.Generator().manual_seed(0))
    return Hessian(network(width=2), images(count), labels, **options)


def test_products_are_symmetric_and_do_not_depend_on_the_micro_batch_or_on_kept_graphs():
    v, w = torch.randn(2, resnet_hessian().dimension, dtype=torch.float64)
    whole = resnet_hessian()
    assert (v @ whole.product(w)).item() == approx((w @ whole.product(v)).item(), rel=1e-10)
    reference = whole.product(v)
    for options in ({"micro_batch": 5}, {"micro_batch": 8, "keep": 0}, {"micro_batch": 1}):
        assert torch.allclose(
            resnet_hessian(**options).product(v), reference, rtol=1e-9, atol=1e-11
        )


def test_kept_graphs_go_with_what_made_them():
    pixels = images(6).numpy()
    alive = weakref.ref(pixels)  # As long as any tensor of its memory.
    hessian = Hessian(network(width=2), torch.from_numpy(pixels), torch.arange(6) % 5)
    hessian.product(torch.ones(hessian.dimension, dtype=torch.float64))
    assert hessian.kept_share == 1 and alive() is not None
    del hessian, pixels
    gc.collect()
    assert alive() is None


def test_part_of_the_graphs_is_kept_where_memory_is_short():
    whole = resnet_hessian(micro_batch=5)
    v = torch.ones(whole.dimension, dtype=torch.float64)
    reference = whole.product(v)
    one = whole._kept[0].bytes
    short = resnet_hessian(micro_batch=5, keep=int(2.5 * one))
    assert torch.allclose(short.product(v), reference, rtol=1e-9, atol=1e-11)
    assert short.kept_share == approx(10 / 22) and whole.kept_share == 1.0


def test_the_memory_of_a_graph_is_measured():
    operator = resnet_hessian(micro_batch=11)
    operator.product(torch.ones(operator.dimension, dtype=torch.float64))
    # At least what 19 convolutions keep of their inputs.
    assert operator._kept[0].bytes > 11 * 8 * 19 * 2 * 16
    assert operator._kept[0].bytes == approx(operator._kept[1].bytes, rel=0.05)


def test_the_gradient_and_the_loss():
    operator = resnet_hessian(micro_batch=5)
    loss = nn.functional.cross_entropy(operator.network(operator.images), operator.labels)
    gradient, mean = operator.gradient()
    exact = torch.autograd.grad(loss, operator.parameters)
    assert torch.allclose(gradient, torch.cat([g.flatten() for g in exact]), atol=1e-12)
    assert mean == approx(loss.item()) == approx(operator.mean_loss())


def test_moving_forgets_the_graphs():
    operator = resnet_hessian()
    v = torch.ones(operator.dimension, dtype=torch.float64)
    point, before = operator.point(), operator.product(v)
    operator.move_to(1.1 * point)
    assert not torch.allclose(operator.product(v), before)
    operator.move_to(point)
    assert torch.allclose(operator.product(v), before)


def test_train_mode_is_refused():
    with pytest.raises(ValueError, match="eval mode"):
        Hessian(network(width=2).train(), images(4), torch.zeros(4, dtype=torch.long))


def curvlinops_operator(operator):
    from curvlinops import HessianLinearOperator

    x, y = operator.images, operator.labels
    cut = 2 * len(y) // 3
    data = [(x[:cut], y[:cut]), (x[cut:], y[cut:])]
    loss, check = nn.CrossEntropyLoss(), {"check_deterministic": False}
    return HessianLinearOperator(operator.network, loss, operator.parameters, data, **check)


def test_products_agree_with_curvlinops():
    operator = resnet_hessian(micro_batch=8)
    v = torch.randn(operator.dimension, dtype=torch.float64)
    expected = curvlinops_operator(operator) @ v
    assert (operator.product(v) - expected).norm() <= 1e-10 * expected.norm()


def test_eigenvalues_and_trace_agree_with_curvlinops():
    from curvlinops import hutchpp_trace
    from scipy.sparse.linalg import eigsh

    operator = resnet_hessian(5)
    reference = curvlinops_operator(operator)
    top = eigsh(reference.to_scipy(), k=2, which="LM", tol=1e-8, return_eigenvectors=False)
    found = largest_eigenvalues(operator, 2, like=LIKE, tolerance=1e-5)
    assert sorted(found.values) == approx(sorted(top.tolist()), rel=1e-6)
    ours = hutch_plus_plus(operator, 45, like=LIKE)
    theirs = float(hutchpp_trace(reference, num_matvecs=45))
    assert abs(ours.value - theirs) < 5 * ours.standard_error
