"""The config of `audit.py`."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any, ClassVar

from symscape.config.analysis import EachConfig, listed
from symscape.errors import ConfigError, check_number

QUANTITIES = ("kernels", "padding", "invariance", "consistency")
MITIGATIONS = ("reflect", "replicate", "circular", "partial", "blur", "sbpool", "size")


@dataclass
class AuditConfig(EachConfig):
    """Which networks to look at, what of them, and on which images."""

    precisions: ClassVar[tuple[str, ...]] = ("float32", "float64")

    input_size: Any = None
    """Of `network`: N or [height, width]; null: what its library says."""
    quantities: Any = None
    """Any of kernels, padding, invariance, consistency; null: all that there are images for."""
    mitigations: Any = field(default_factory=list)
    """Any of reflect, replicate, circular, partial, blur, sbpool, size: what each would change, the
    network not trained again."""
    images: int = 1000
    """Test images, the first ones always, whose answers are compared."""
    shifts: int = 3
    """Pixels that images are moved by, at most, in each direction."""
    seed: int = 0
    """Of random weights and images of noise."""
    precision: str = "float32"
    """float32 or float64, of the answers; all else is float64."""

    def __post_init__(self) -> None:
        super().__post_init__()
        self.quantities = listed("quantities", self.quantities, QUANTITIES)
        self.mitigations = listed("mitigations", self.mitigations, MITIGATIONS) or []
        self._check_subject()
        if self.quantities == []:
            raise ConfigError("quantities", "[]", f"at least one of {', '.join(QUANTITIES)}")
        for key in ("images", "shifts"):
            check_number(key, getattr(self, key), at_least=1)
        check_number("seed", self.seed, at_least=0)
        if self.input_size is not None:
            self.input_size = _pair(self.input_size)

    @property
    def wanted(self) -> list[str]:
        """The quantities, in their order."""
        return [q for q in QUANTITIES if self.quantities is None or q in self.quantities]

    def _check_subject(self) -> None:
        if self.network is None and self.input_size is not None:
            said = "needs network=NAME; runs have their own"
            raise ConfigError("input_size", self.input_size, said)
        if self.data.image_size is not None:
            raise ConfigError("data.image_size", self.data.image_size, "an audit takes input_size")
        asked = "consistency" in (self.quantities or ())
        if self.network is not None and asked and not self.data.given:
            raise ConfigError("quantities", "consistency", "needs images: data.root=PATH")


def _pair(value: Any) -> list[int]:
    """Return N or [height, width] as a pair."""
    sizes = list(value) if isinstance(value, list | tuple) else [value, value]
    if len(sizes) != 2 or any(type(n) is not int or n < 1 for n in sizes):
        raise ConfigError("input_size", value, "allowed are a whole number or [height, width]")
    return sizes
