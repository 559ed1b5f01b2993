"""The config of `sharpness.py`."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any, ClassVar

from symscape.config.analysis import EachConfig, listed
from symscape.errors import ConfigError, check_choice, check_number

SUBSPACES = ["own", "ambient"]
SHARPNESS_CHOICES = {
    "quantities": ("eigenvalues", "trace", "density", "random_ascent", "worst_case"),
    "subspaces": ("own", "ambient", "complement", "random"),
    "scalings": ("none", "filter", "elementwise"),
}


@dataclass
class SharpnessConfig(EachConfig):
    """Which networks to look at, which curvature of them, and how exactly."""

    precisions: ClassVar[tuple[str, ...]] = ("float32", "float64")

    along: str = "runs"
    """runs: at the end of each; trajectory: at all weights kept in training."""
    quantities: Any = field(default_factory=lambda: ["eigenvalues", "trace"])
    """Any of eigenvalues, trace, density, random_ascent, worst_case."""
    subspaces: Any = None
    """Any of own, ambient, complement, random; null: own and ambient. A network that no run trained
    has no symmetry, so it takes ambient alone."""
    scalings: Any = field(default_factory=lambda: ["none", "filter"])
    """Any of none, filter, elementwise."""
    k: int = 5
    """Eigenvalues, largest in size."""
    tolerance: float = 1e-3
    """Of the eigenvalues' relative residuals."""
    max_products: int = 200
    """After which eigenvalues stop, not converged."""
    trace_products: int = 48
    """With those of the eigenvalues, if these are measured too: up to a third."""
    images: int = 4096
    """Training images, clean, that the loss is the mean over; the same ones always."""
    bn_images: int = 10_000
    """Training images, clean, for the BatchNorm statistics."""
    micro_batch: int | None = None
    """Images at once; null: 256, halved where a GPU's memory is too small."""
    epsilons: list[float] = field(default_factory=lambda: [1e-6, 1e-5, 1e-4, 1e-3, 1e-2, 1e-1])
    """Of `random_ascent`."""
    draws: int = 25
    """Directions of `random_ascent`."""
    radii: list[float] = field(default_factory=lambda: [0.05, 0.5])
    """Of `worst_case`."""
    seed: int = 0
    """Of start vectors, test vectors, directions and random subspaces."""
    precision: str = "float32"
    """float32 or float64."""

    def __post_init__(self) -> None:
        super().__post_init__()
        if self.network is not None:
            self._check_network()
        if self.subspaces is None:
            self.subspaces = SUBSPACES if self.network is None else ["ambient"]
        check_choice("along", self.along, ("runs", "trajectory"))
        for key, choices in SHARPNESS_CHOICES.items():
            setattr(self, key, list(dict.fromkeys(listed(key, getattr(self, key), choices) or [])))
            if not getattr(self, key):
                raise ConfigError(key, "[]", f"at least one of {', '.join(choices)}")
        for key in ("k", "max_products", "images", "bn_images", "draws"):
            check_number(key, getattr(self, key), at_least=1)
        check_number("trace_products", self.trace_products, at_least=9)
        check_number("tolerance", self.tolerance, above=0, below=1)
        check_number("seed", self.seed, at_least=0)
        if self.micro_batch is not None:
            check_number("micro_batch", self.micro_batch, at_least=1)
        for key in ("epsilons", "radii"):
            for value in getattr(self, key):
                check_number(key, value, above=0)

    def _check_network(self) -> None:
        """Check what has no meaning for a network that no run trained."""
        if self.along == "trajectory":
            raise ConfigError("along", self.along, "needs study=NAME or run=RUN: a file is one end")
        asked = listed("subspaces", self.subspaces, SHARPNESS_CHOICES["subspaces"]) or []
        if others := [name for name in asked if name != "ambient"]:
            said = "a network that no run trained has no symmetry: takes ambient alone"
            raise ConfigError("subspaces", others[0], said)
        self.check_images()
