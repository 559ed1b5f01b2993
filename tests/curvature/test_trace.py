import pytest
import torch
from pytest import approx

from symscape.curvature.lanczos import largest_eigenvalues
from symscape.curvature.trace import deflated_trace, hutch_plus_plus, hutchinson
from tests.curvature.matrices import LIKE, Matrix, with_spectrum


def decaying(n=300, seed=0):
    return with_spectrum(torch.arange(1, n + 1).double() ** -1.5, seed)


def test_hutch_plus_plus_is_exact_for_a_small_rank():
    values = torch.zeros(80)
    values[:5] = torch.tensor([5.0, -4.0, 3.0, 2.0, 1.0])
    assert hutch_plus_plus(with_spectrum(values), 30, like=LIKE).value == approx(7.0, rel=1e-8)


def test_hutch_plus_plus_reaches_one_percent_where_hutchinson_needs_seven_times_the_products():
    operator = decaying(1000)
    truth = operator.dense.trace().item()
    errors = {"hutch_plus_plus": [], "hutchinson": []}
    for seed in range(5):
        errors["hutch_plus_plus"].append(
            hutch_plus_plus(operator, 100, like=LIKE, seed=seed).value - truth
        )
        few = hutchinson(operator, 700, like=LIKE, seed=seed)
        errors["hutchinson"].append(few.value - truth)
    assert max(abs(e) for e in errors["hutch_plus_plus"]) < 0.01 * truth
    assert sum(e**2 for e in errors["hutch_plus_plus"]) < sum(e**2 for e in errors["hutchinson"])


def test_hutchinson_has_the_variance_that_theory_says():
    operator = decaying(50)
    off = operator.dense - operator.dense.diag().diag()
    variance = 2 * off.square().sum().item() / 10
    values = torch.tensor([hutchinson(operator, 10, like=LIKE, seed=s).value for s in range(600)])
    assert values.var().item() == approx(variance, rel=0.15)
    assert values.mean().item() == approx(operator.dense.trace().item(), abs=3 * variance**0.5 / 24)


def coverage(estimate, trials=400):
    truth = 50.0
    inside = 0
    for seed in range(trials):
        found = estimate(seed)
        inside += abs(found.value - truth) <= 1.96 * found.standard_error
    return inside / trials


def behind_eigenvalues(operator, products, seed, count=1):
    found = largest_eigenvalues(
        operator, count, like=LIKE, seed=seed, tolerance=1e-2, max_products=20, capture=True
    )
    return deflated_trace(operator, products, found.captured, seed=seed)


@pytest.mark.parametrize("method", ["hutchinson", "hutch_plus_plus", "deflated"])
def test_standard_errors_cover_the_truth(method):
    values = torch.linspace(0.5, 1.5, 50)  # No decay: where an estimator has to guess.
    operator = with_spectrum(values)
    estimate = {
        "hutchinson": lambda seed: hutchinson(operator, 40, like=LIKE, seed=seed),
        "hutch_plus_plus": lambda seed: hutch_plus_plus(operator, 40, like=LIKE, seed=seed),
        "deflated": lambda seed: behind_eigenvalues(operator, 30, seed),
    }[method]
    assert 0.92 <= coverage(estimate) <= 0.98


def test_as_many_vectors_as_dimensions_are_exact():
    operator = Matrix(torch.tensor([[2.0, 1.0], [1.0, 3.0]], dtype=torch.float64))
    found = hutch_plus_plus(operator, 100, like=LIKE)
    assert (found.value, found.standard_error) == (approx(5.0), 0.0)


def test_behind_eigenvalues_the_same_products_say_more():
    """Of a few large eigenvalues above a bulk that no small basis holds, as Hessians have them."""
    operator = with_spectrum(
        torch.cat([torch.linspace(20.0, 4.0, 8), torch.linspace(-0.1, 0.4, 592)])
    )
    truth = operator.dense.trace().item()
    errors = {"behind": 0.0, "alone": 0.0}
    for seed in range(20):
        found = largest_eigenvalues(operator, 5, like=LIKE, seed=seed, capture=True)
        operator.count = 0
        trace = deflated_trace(operator, 30, found.captured, seed=seed)
        assert trace.products == operator.count == 30
        errors["behind"] += (trace.value - truth) ** 2
        errors["alone"] += (hutch_plus_plus(operator, 30, like=LIKE, seed=seed).value - truth) ** 2
    assert errors["behind"] < 0.6 * errors["alone"]


def test_a_basis_of_all_directions_leaves_nothing_to_estimate():
    operator = Matrix(torch.tensor([[2.0, 1.0], [1.0, 3.0]], dtype=torch.float64))
    found = largest_eigenvalues(operator, 2, like=LIKE, capture=True)
    trace = deflated_trace(operator, 10, found.captured)
    assert (trace.value, trace.standard_error, trace.products) == (approx(5.0), 0.0, 0)


def test_a_restarted_basis_says_its_trace_too():
    operator = with_spectrum(torch.cat([torch.tensor([3.0, 2.9, 2.8]), 2 * torch.rand(397)]))
    found = largest_eigenvalues(
        operator, 3, like=LIKE, basis_bytes=14 * 400 * 8, tolerance=1e-6, capture=True
    )
    basis = found.captured.basis
    assert found.products > len(basis)
    exact = (basis @ operator.dense @ basis.T).trace().item()
    assert found.captured.trace == approx(exact, rel=1e-9)
