"""What `sharpness.py` can measure in a subspace, by the names of its config."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import asdict, dataclass
from typing import Any

from symscape.config.sharpness import SharpnessConfig
from symscape.curvature.ascent import random_ascent, worst_case
from symscape.curvature.density import spectral_density
from symscape.curvature.hessian import Hessian
from symscape.curvature.lanczos import Captured, largest_eigenvalues
from symscape.curvature.subspaces import Restricted
from symscape.curvature.trace import deflated_trace, hutch_plus_plus
from symscape.errors import ConfigError
from symscape.stopping import safe_point

Say = Callable[[str], None]
"""Told after every product how far it is."""


@dataclass
class Shared:
    """What quantities of one subspace leave for those after them."""

    captured: Captured | None = None


Quantity = Callable[[SharpnessConfig, Hessian, Restricted, Say, Shared], dict[str, Any]]


def _eigenvalues(
    config: SharpnessConfig, hessian: Hessian, space: Restricted, say: Say, shared: Shared
) -> dict[str, Any]:
    if config.k > space.dimension:
        raise ConfigError("k", config.k, f"the subspace has {space.dimension} dimensions")
    found = largest_eigenvalues(
        space,
        config.k,
        like=hessian.point(),
        tolerance=config.tolerance,
        max_products=config.max_products,
        seed=config.seed,
        capture="trace" in config.quantities,
        report=lambda n, error: say(f"eigenvalues: {n} products, residual {error:.1e}"),
    )
    shared.captured = found.captured
    left_out = ("vectors", "captured")
    return {key: value for key, value in vars(found).items() if key not in left_out}


def _trace(
    config: SharpnessConfig, hessian: Hessian, space: Restricted, say: Say, shared: Shared
) -> dict[str, Any]:
    """Behind eigenvalues, which found a basis, samples alone are left: as Hutch++ has, or more."""
    captured, seed, products = shared.captured, config.seed, config.trace_products

    def report(done: int) -> None:
        say(f"trace: {done} of {products} products")

    if captured is None:
        like = hessian.point()
        return asdict(hutch_plus_plus(space, products, like=like, seed=seed, report=report))
    third, found = products // 3, len(captured.basis)
    products -= third + min(third, found)
    trace = deflated_trace(space, products, captured, seed=seed, report=report)
    return asdict(trace) | {"captured": found}


def _density(
    config: SharpnessConfig, hessian: Hessian, space: Restricted, say: Say, shared: Shared
) -> dict[str, Any]:
    def report(products: int) -> None:
        say(f"density: {products} products")

    like = hessian.point()
    return asdict(spectral_density(space, like=like, seed=config.seed, report=report))


def _random_ascent(
    config: SharpnessConfig, hessian: Hessian, space: Restricted, say: Say, shared: Shared
) -> dict[str, Any]:
    draws, seed = config.draws, config.seed
    found = random_ascent(hessian, space, config.epsilons, draws=draws, seed=seed, tick=safe_point)
    return asdict(found)


def _worst_case(
    config: SharpnessConfig, hessian: Hessian, space: Restricted, say: Say, shared: Shared
) -> dict[str, Any]:
    balls = [
        worst_case(hessian, space, radius, seed=config.seed, tick=safe_point)
        for radius in config.radii
    ]
    return {"balls": [asdict(ball) for ball in balls]}


# In this order: the products of eigenvalues serve the trace.
QUANTITIES: dict[str, Quantity] = {
    "eigenvalues": _eigenvalues,
    "trace": _trace,
    "density": _density,
    "random_ascent": _random_ascent,
    "worst_case": _worst_case,
}
