"""The groups of a training's config: symmetry, network, images, optimiser, schedule, device."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any

from symscape.config.shared import PRECISIONS
from symscape.errors import ConfigError, check_choice, check_number

SYMMETRIES = ("vanilla", "hflip", "vflip", "hvflip", "rot180", "diag", "rot90", "d4", "random")
GROUPS = SYMMETRIES[:-1]
NEEDS_SQUARE_KERNEL = ("diag", "rot90", "d4")
PARAMETRIZATIONS = ("tied", "projected", "penalty")
LAYER_ROLES = ("stem", "blocks", "shortcuts")
DATASETS = ("cifar10", "cifar100", "digits", "shapes", "folder")
DENSE = ("shapes", "unet")
"""Data with a class for each pixel, and the network that answers so."""
PADDINGS = ("zeros", "reflect", "replicate", "circular", "partial")
DOWNSAMPLINGS = ("stride", "blur", "sbpool")
AUGMENTATIONS = ("none", "standard", "hflip", "vflip", "hvflip", "rot90")

# Channels of the first stage: He et al. 2016, section 4.2, for the CIFAR family; section 4.1
# with the 3x3 stem that is usual on 32x32 images for the others. A U-Net for shapes needs no more.
STANDARD_WIDTHS = {
    "resnet18": 64,
    "resnet34": 64,
    "resnet20": 16,
    "resnet32": 16,
    "resnet44": 16,
    "resnet56": 16,
    "resnet110": 16,
    "unet": 8,
}


@dataclass
class SymmetryConfig:
    """What the kernels obey, and how they are stored and initialised."""

    name: str = "vanilla"
    """The group whose images of a kernel are tied together."""
    parametrization: str = "tied"
    """tied: orthonormal orbit coordinates; projected: P W of a stored W; penalty: a loss term."""
    init: str = "matched"
    """matched: the expected squared norm of a vanilla kernel; plain: a projected vanilla kernel."""
    layers: list[str] = field(default_factory=lambda: list(LAYER_ROLES))
    """Which convolutions obey."""
    strength: float = 1e-3
    """Weight of the penalty sum ||(I - P) K||^2; used by `parametrization=penalty` alone."""
    like: str = "rot90"
    """The group whose orbit sizes `random` copies."""
    seed: int = 0
    """Seed of the partition that `random` draws."""
    compute: str = "auto"
    """fold: sum the inputs of tied taps, then multiply once an orbit; direct: convolve with the
    whole kernel; auto: layer by layer what is estimated to be faster on a CPU, direct elsewhere and
    under `compile`. Equal up to rounding."""
    explain: bool = False
    """Print how each layer computes, and why."""

    def __post_init__(self) -> None:
        check_choice("symmetry", self.name, SYMMETRIES)
        check_choice("symmetry.parametrization", self.parametrization, PARAMETRIZATIONS)
        check_choice("symmetry.init", self.init, ("matched", "plain"))
        check_choice("symmetry.like", self.like, GROUPS)
        check_choice("symmetry.compute", self.compute, ("auto", "direct", "fold"))
        check_number("symmetry.strength", self.strength, at_least=0)
        check_number("symmetry.seed", self.seed, at_least=0)
        for role in self.layers:
            check_choice("symmetry.layers", role, LAYER_ROLES)
        self.layers = [role for role in LAYER_ROLES if role in self.layers]


@dataclass
class ModelConfig:
    """The network."""

    name: str = "resnet18"
    width: int | None = None
    """Channels of the first stage; null takes the family's standard (64 or 16)."""
    kernel_size: Any = 3
    """3, 5 or 7, or [height, width]: the kernels of the stem and the blocks."""
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

    def __post_init__(self) -> None:
        check_choice("model", self.name, STANDARD_WIDTHS)
        self.width = STANDARD_WIDTHS[self.name] if self.width is None else self.width
        check_number("model.width", self.width, at_least=1)
        check_choice("model.norm", self.norm, ("batch", "layer"))
        check_choice("model.shortcut", self.shortcut, ("conv", "pad"))
        check_choice("model.padding", self.padding, PADDINGS)
        check_choice("model.downsample", self.downsample, DOWNSAMPLINGS)
        if self.blur is not None:
            check_number("model.blur", self.blur, at_least=2, at_most=5)
        sizes = (
            self.kernel_size if isinstance(self.kernel_size, list | tuple) else [self.kernel_size]
        )
        if len(sizes) not in (1, 2) or any(type(k) is not int or k not in (3, 5, 7) for k in sizes):
            raise ConfigError(
                "model.kernel_size", self.kernel_size, "allowed are 3, 5, 7 or a pair"
            )
        self.kernel_size = sizes[0] if len(set(sizes)) == 1 else list(sizes)


@dataclass
class DataConfig:
    """The images, and what is done to them."""

    name: str = "cifar10"
    root: str | None = None
    """Where the files are: a download folder (cifar10, cifar100), or a tree or archive (folder)."""
    cache: str | None = None
    """Folder of decoded images (data=folder); null: `.symscape-cache` beside the images, or the
    user's cache folder where nothing can be written there."""
    image_size: int | None = None
    """Resize all images to this height and width, once: bilinear, averaging where they shrink;
    null: as the data set has them (32 x 32; those of a folder must agree). Shapes are drawn at any
    size from 32; null: 64."""
    augment: Any = False
    """false, true (= standard) or the name of an augmentation."""
    val_fraction: float = 0.1
    """Share of the training images held out, the same ones for every seed."""
    batch_size: int = 256

    def __post_init__(self) -> None:
        check_choice("data", self.name, DATASETS)
        if isinstance(self.augment, bool):
            self.augment = "standard" if self.augment else "none"
        if self.augment not in AUGMENTATIONS:
            check_choice("data.augment", self.augment, ("false", "true", *AUGMENTATIONS))
        check_number("data.val_fraction", self.val_fraction, at_least=0, below=1)
        check_number("data.batch_size", self.batch_size, at_least=1)
        if self.image_size is not None:
            check_number("data.image_size", self.image_size, at_least=1)


@dataclass
class OptimizerConfig:
    """Stochastic gradient descent."""

    name: str = "sgd"
    lr: float = 0.1
    momentum: float = 0.9
    weight_decay: float = 1e-4
    nesterov: bool = False

    def __post_init__(self) -> None:
        check_choice("optimizer", self.name, ("sgd",))
        check_number("optimizer.lr", self.lr, above=0)
        check_number("optimizer.momentum", self.momentum, at_least=0, below=1)
        check_number("optimizer.weight_decay", self.weight_decay, at_least=0)
        if self.nesterov and not self.momentum:
            raise ConfigError("optimizer.nesterov", True, "needs optimizer.momentum > 0")


@dataclass
class SchedulerConfig:
    """The learning rate over the training."""

    name: str = "steps"
    milestones: list[float] = field(default_factory=lambda: [0.4, 0.8])
    """Shares of the training after which `steps` multiplies the learning rate by `gamma`."""
    gamma: float = 0.1
    warmup: float = 0.25
    """Share of the training in which `onecycle` rises linearly to the learning rate."""

    def __post_init__(self) -> None:
        check_choice("scheduler", self.name, ("steps", "cosine", "onecycle"))
        check_number("scheduler.gamma", self.gamma, above=0, at_most=1)
        check_number("scheduler.warmup", self.warmup, at_least=0, below=1)
        for share in self.milestones:
            check_number("scheduler.milestones", share, above=0, below=1)


@dataclass
class TrainerConfig:
    """On what, in which precision and for how long to train."""

    name: str = "auto"
    """auto: one process; ddp: one network trained by a process a device."""
    accelerator: str = "auto"
    """auto, cpu or gpu."""
    precision: str = "auto"
    """auto: bfloat16 where the hardware computes it natively, else float32."""
    max_epochs: int = 100
    limit_train_batches: int | None = None
    """Train on this many batches an epoch only; null: on all."""
    devices: int | None = None
    """Of each node, under ddp: GPUs, or processes on a CPU; null: all GPUs. `data.batch_size` is
    that of all devices together, so their number leaves the result as it is."""
    num_nodes: int = 1
    """Machines, under ddp; on more than one, torchrun or srun starts a process a device."""

    def __post_init__(self) -> None:
        check_choice("trainer", self.name, ("auto", "ddp"))
        check_choice("trainer.accelerator", self.accelerator, ("auto", "cpu", "gpu"))
        check_choice("trainer.precision", self.precision, PRECISIONS)
        check_number("trainer.max_epochs", self.max_epochs, at_least=1)
        if self.limit_train_batches is not None:
            check_number("trainer.limit_train_batches", self.limit_train_batches, at_least=1)
        check_number("trainer.num_nodes", self.num_nodes, at_least=1)
        if self.devices is not None:
            check_number("trainer.devices", self.devices, at_least=1)
        for key, value in (("devices", self.devices or 1), ("num_nodes", self.num_nodes)):
            if value > 1 and self.name != "ddp":
                raise ConfigError(f"trainer.{key}", value, "needs trainer=ddp")

    @property
    def ranks(self) -> int:
        """Processes that train one network together; `devices` must be known."""
        return (self.devices or 1) * self.num_nodes
