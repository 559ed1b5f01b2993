"""What `sharpness.py` can measure in a subspace, by the names of its config."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import asdict
from typing import Any

from symscape.config.sharpness import SharpnessConfig
from symscape.curvature.ascent import random_ascent, worst_case
from symscape.curvature.density import spectral_density
from symscape.curvature.hessian import Hessian
from symscape.curvature.lanczos import largest_eigenvalues
from symscape.curvature.subspaces import Restricted
from symscape.curvature.trace import hutch_plus_plus
from symscape.errors import ConfigError
from symscape.stopping import safe_point

Say = Callable[[str], None]
"""Told after every product how far it is."""
Quantity = Callable[[SharpnessConfig, Hessian, Restricted, Say], dict[str, Any]]


def _eigenvalues(
    config: SharpnessConfig, hessian: Hessian, space: Restricted, say: Say
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
        report=lambda n, error: say(f"eigenvalues: {n} products, residual {error:.1e}"),
    )
    return {key: value for key, value in vars(found).items() if key != "vectors"}


def _trace(
    config: SharpnessConfig, hessian: Hessian, space: Restricted, say: Say
) -> dict[str, Any]:
    products = config.trace_products
    found = hutch_plus_plus(
        space,
        products,
        like=hessian.point(),
        seed=config.seed,
        report=lambda n: say(f"trace: {n} of {products} products"),
    )
    return asdict(found)


def _density(
    config: SharpnessConfig, hessian: Hessian, space: Restricted, say: Say
) -> dict[str, Any]:
    def report(products: int) -> None:
        say(f"density: {products} products")

    like = hessian.point()
    return asdict(spectral_density(space, like=like, seed=config.seed, report=report))


def _random_ascent(
    config: SharpnessConfig, hessian: Hessian, space: Restricted, say: Say
) -> dict[str, Any]:
    draws, seed = config.draws, config.seed
    found = random_ascent(hessian, space, config.epsilons, draws=draws, seed=seed, tick=safe_point)
    return asdict(found)


def _worst_case(
    config: SharpnessConfig, hessian: Hessian, space: Restricted, say: Say
) -> dict[str, Any]:
    balls = [
        worst_case(hessian, space, radius, seed=config.seed, tick=safe_point)
        for radius in config.radii
    ]
    return {"balls": [asdict(ball) for ball in balls]}


QUANTITIES: dict[str, Quantity] = {
    "eigenvalues": _eigenvalues,
    "trace": _trace,
    "density": _density,
    "random_ascent": _random_ascent,
    "worst_case": _worst_case,
}
