"""The network of a training's config."""

from __future__ import annotations

import re
from dataclasses import dataclass, field, fields
from typing import Any

from symscape.errors import ConfigError, check_choice, check_number

PADDINGS = ("zeros", "reflect", "replicate", "circular", "partial")
DOWNSAMPLINGS = ("stride", "blur", "sbpool")
AUTO = "auto"
"""A width that is to be found."""


@dataclass(frozen=True)
class Family:
    """What a network's name stands for."""

    builder: str
    """resnet, unet, ckg or foreign: which builder of `models.build` makes it."""
    width: int
    """Channels of the first stage, by default."""
    kernel_size: int = 3
    sizes: tuple[int, ...] = (3, 5, 7)
    """Sizes of kernels it can have."""


# Widths: He et al. 2016, section 4.2, for the CIFAR family; section 4.1 with the 3x3 stem that is
# usual on 32x32 images for the others; a U-Net for shapes needs no more; Knigge et al. 2022.
MODELS = {
    **dict.fromkeys(("resnet18", "resnet34"), Family("resnet", 64)),
    **dict.fromkeys(
        ("resnet20", "resnet32", "resnet44", "resnet56", "resnet110"), Family("resnet", 16)
    ),
    "unet": Family("unet", 8),
    **dict.fromkeys(
        ("ckgresnet", "ckgcnn", "ckgallcnnc"), Family("ckg", 32, 7, tuple(range(3, 16, 2)))
    ),
}
FOREIGN = "network"
"""The name that stands for anyone's network, which `model.network` names."""
MODELS[FOREIGN] = Family("foreign", 0)
ON_GROUPS = tuple(name for name, family in MODELS.items() if family.builder == "ckg")
"""Networks of group convolutions."""


@dataclass
class ModelConfig:
    """The network."""

    name: str = "resnet18"
    width: Any = None
    """Channels of the first stage; null takes the family's standard (64, 16, 32; U-Net 8); auto:
    the width whose number of free parameters comes nearest to `parameters`, or to `like`'s."""
    parameters: int | None = None
    """Of `width=auto`: free parameters, orbits counted rather than taps."""
    like: str | None = None
    """Of `width=auto`: as many as this model has at its standard width with these symmetric
    kernels: vanilla, hflip, ..."""
    kernel_size: Any = None
    """3, 5 or 7, or [height, width]: the kernels of the stem and the blocks; null takes the
    family's (3; 7 on groups, where 3 to 15 are allowed)."""
    norm: str = "batch"
    """batch, or layer: over channels and pixels of one image."""
    shortcut: str = "conv"
    """conv: 1x1 with a norm where shapes change; pad: strided slices and zero channels."""
    padding: str = "zeros"
    """Beyond the border: zeros, reflect, replicate, circular, or partial: zeros, made up for by the
    share of a window that meets the image."""
    downsample: str = "stride"
    """stride; blur: a binomial filter before every second pixel is kept, as balanced padding needs;
    sbpool: strides on grids that are drawn anew at every step, the first ones in evaluation."""
    blur: int | None = None
    """Taps of the filter, 2 to 5; null: 4 on even and 3 on odd maps, which are balanced."""
    pool: str = "mean"
    """How networks on groups halve their maps: mean or max."""
    network: str | None = None
    """Of model=network: torchvision/NAME, timm/NAME or package.module:function, which is called."""
    arguments: dict[str, Any] = field(default_factory=dict)
    """For the function that makes it; classes and channels are known from the images."""
    weights: str | None = None
    """What it starts from: null: random ones; pretrained: the library's; or a .safetensors, .pt or
    .pth file."""

    def __post_init__(self) -> None:
        check_choice("model", self.name, MODELS)
        if self.name == FOREIGN:
            self._check_foreign()
            return
        for key in ("network", "arguments", "weights"):
            if getattr(self, key):
                raise ConfigError(f"model.{key}", getattr(self, key), "needs model=network")
        family = MODELS[self.name]
        self.width = family.width if self.width is None else self.width
        self.kernel_size = family.kernel_size if self.kernel_size is None else self.kernel_size
        self._check_width()
        check_choice("model.norm", self.norm, ("batch", "layer"))
        check_choice("model.shortcut", self.shortcut, ("conv", "pad"))
        check_choice("model.padding", self.padding, PADDINGS)
        check_choice("model.downsample", self.downsample, DOWNSAMPLINGS)
        check_choice("model.pool", self.pool, ("mean", "max"))
        if self.blur is not None:
            check_number("model.blur", self.blur, at_least=2, at_most=5)
        self._check_kernel(family)
        self._check_options(family)

    def _check_width(self) -> None:
        """`auto` needs one number to come near to; other widths read none."""
        asked = {"parameters": self.parameters, "like": self.like}
        given = [key for key, value in asked.items() if value is not None]
        if self.width != AUTO:
            if type(self.width) is not int or self.width < 1:
                raise ConfigError("model.width", self.width, "must be a whole number >= 1, or auto")
            for key in given:
                raise ConfigError(f"model.{key}", asked[key], "needs model.width=auto")
        elif len(given) != 1:
            one = "needs either model.parameters=NUMBER or model.like=SYMMETRY"
            raise ConfigError("model.width", self.width, one)
        if self.parameters is not None:
            check_number("model.parameters", self.parameters, at_least=1)

    @property
    def label(self) -> str:
        """What it is called in tables: its name, or that of a network of a library or the user."""
        return self.network or self.name if self.name == FOREIGN else self.name

    @property
    def slug(self) -> str:
        """The same, as a part of a folder's name."""
        return re.sub(r"[^\w.]+", "-", self.label)

    @property
    def weights_file(self) -> str | None:
        """The file that it starts from, if it is one."""
        return None if self.weights == "pretrained" else self.weights

    def _check_foreign(self) -> None:
        """Refuse options of our own networks, which another one has not."""
        own = ("name", "network", "arguments", "weights")
        for key in (each for each in fields(self) if each.name not in own):
            if (value := getattr(self, key.name)) != key.default:
                takes = "model=network takes arguments of its own: model.arguments"
                raise ConfigError(f"model.{key.name}", value, takes)

    def _check_kernel(self, family: Family) -> None:
        size = self.kernel_size
        if family.builder == "ckg" and isinstance(size, list | tuple):
            raise ConfigError("model.kernel_size", size, f"model={self.name} needs a square kernel")
        sizes = size if isinstance(size, list | tuple) else [size]
        fits = len(sizes) in (1, 2) and all(type(k) is int and k in family.sizes for k in sizes)
        if not fits:
            some = ", ".join(map(str, family.sizes))
            pair = "" if family.builder == "ckg" else " or a pair"
            raise ConfigError("model.kernel_size", size, f"allowed are {some}{pair}")
        self.kernel_size = sizes[0] if len(set(sizes)) == 1 else list(sizes)

    def _check_options(self, family: Family) -> None:
        """Refuse what a family cannot do, rather than ignore it."""
        if family.builder != "ckg":
            if self.pool != "mean":
                raise ConfigError("model.pool", self.pool, f"model={self.name} has no such pools")
            return
        for key, only in (("shortcut", "conv"), ("padding", "zeros"), ("downsample", "stride")):
            if getattr(self, key) != only:
                takes = f"model={self.name} takes {only}"
                raise ConfigError(f"model.{key}", getattr(self, key), takes)
