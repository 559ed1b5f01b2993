import pytest
import torch
from pytest import approx

from symscape.curvature.trace import hutch_plus_plus, hutchinson
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


@pytest.mark.parametrize("method", ["hutchinson", "hutch_plus_plus"])
def test_standard_errors_cover_the_truth(method):
    values = torch.linspace(0.5, 1.5, 50)  # No decay: where an estimator has to guess.
    operator = with_spectrum(values)
    estimate = {
        "hutchinson": lambda seed: hutchinson(operator, 40, like=LIKE, seed=seed),
        "hutch_plus_plus": lambda seed: hutch_plus_plus(operator, 40, like=LIKE, seed=seed),
    }[method]
    assert 0.92 <= coverage(estimate) <= 0.98


def test_as_many_vectors_as_dimensions_are_exact():
    operator = Matrix(torch.tensor([[2.0, 1.0], [1.0, 3.0]], dtype=torch.float64))
    found = hutch_plus_plus(operator, 100, like=LIKE)
    assert (found.value, found.standard_error) == (approx(5.0), 0.0)
