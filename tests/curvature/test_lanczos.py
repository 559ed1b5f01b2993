import pytest
import torch
from pytest import approx

from symscape.curvature.lanczos import largest_eigenvalues
from tests.curvature.matrices import LIKE, Matrix, with_spectrum


def bulk(*leading, n=500):
    """Large eigenvalues above a bulk, as Hessians have them."""
    rest = torch.linspace(-0.05, 0.4, n - len(leading))
    return with_spectrum(torch.cat([torch.tensor(leading), rest]))


def test_the_largest_eigenvalues_of_a_known_matrix():
    operator = bulk(10.0, -8.0, 5.0, 3.0)
    found = largest_eigenvalues(operator, 4, like=LIKE)
    assert found.values == approx([10.0, -8.0, 5.0, 3.0], rel=1e-3)
    assert found.converged and found.products == operator.count
    for value, vector, residual in zip(found.values, found.vectors, found.residuals, strict=True):
        exact = (operator.dense @ vector - value * vector).norm().item() / abs(value)
        assert residual == approx(exact, abs=1e-9)


@pytest.mark.parametrize("seed", range(5))
def test_two_near_eigenvalues_are_told_apart(seed):
    operator = bulk(1.0, 0.99)
    found = largest_eigenvalues(operator, 2, like=LIKE, seed=seed)
    assert found.values == approx([1.0, 0.99], rel=1e-3)
    assert found.converged


@pytest.mark.parametrize("seed", range(5))
def test_the_top_eigenvalue_needs_few_products_at_a_small_gap(seed):
    operator = bulk(1.0, 0.99)
    found = largest_eigenvalues(operator, 1, like=LIKE, seed=seed, max_products=13)
    assert found.values[0] == approx(1.0, rel=1e-3)


@pytest.mark.parametrize("seed", range(3))
def test_residuals_bound_the_errors(seed):
    operator = with_spectrum(torch.cat([torch.tensor([2.0, 1.9, 1.7]), torch.rand(300)]))
    for products in range(6, 40, 4):
        found = largest_eigenvalues(
            operator, 1, like=LIKE, seed=seed, max_products=products, tolerance=0.0
        )
        assert abs(found.values[0] - 2.0) / 2.0 <= max(found.residuals[0], 1e-12)


def test_too_few_products_are_said_not_to_converge():
    found = largest_eigenvalues(bulk(1.0, 0.99), 2, like=LIKE, max_products=4)
    assert not found.converged and found.products == 4 and max(found.residuals) > 1e-3


def test_a_small_basis_restarts_and_finds_the_same():
    operator = with_spectrum(torch.cat([torch.tensor([3.0, 2.9, 2.8]), 2 * torch.rand(397)]))
    small = 14 * 400 * 8
    found = largest_eigenvalues(operator, 3, like=LIKE, basis_bytes=small, tolerance=1e-6)
    assert found.values == approx([3.0, 2.9, 2.8], rel=1e-6)
    assert found.converged and found.products > 14


def test_all_eigenvalues_of_a_small_matrix():
    dense = torch.tensor([[2.0, 1.0], [1.0, 2.0]], dtype=torch.float64)
    found = largest_eigenvalues(Matrix(dense), 2, like=LIKE)
    assert found.values == approx([3.0, 1.0]) and found.converged


def test_more_eigenvalues_than_dimensions_are_refused():
    with pytest.raises(ValueError, match="eigenvalues=3: allowed are 1 to 2"):
        largest_eigenvalues(Matrix(torch.eye(2, dtype=torch.float64)), 3, like=LIKE)
