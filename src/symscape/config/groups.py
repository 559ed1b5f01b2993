"""The groups of a training's config: symmetry, network, images, optimiser, schedule, device."""

from __future__ import annotations

from dataclasses import dataclass, field

from symscape.config.shared import PRECISIONS
from symscape.errors import ConfigError, check_choice, check_number

SYMMETRIES = ("vanilla", "hflip", "vflip", "hvflip", "rot180", "diag", "rot90", "d4", "random")
GROUPS = SYMMETRIES[:-1]
NEEDS_SQUARE_KERNEL = ("diag", "rot90", "d4")
PARAMETRIZATIONS = ("tied", "projected", "penalty")
LAYER_ROLES = ("stem", "blocks", "shortcuts")


@dataclass
class SymmetryConfig:
    """What the kernels obey, and how they are stored and initialised."""

    name: str = "vanilla"
    """The group whose images of a kernel are tied together."""
    parametrization: str = "tied"
    """tied: orthonormal orbit coordinates; projected: P W of a stored W; penalty: a loss term."""
    init: str = "matched"
    """matched: the expected squared norm of a vanilla kernel; plain: a projected vanilla kernel;
    projected: the projection of what model.weights loads."""
    layers: list[str] = field(default_factory=lambda: list(LAYER_ROLES))
    """Which convolutions obey; of model=network also patterns on their names: `features.*`."""
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
        check_choice("symmetry.init", self.init, ("matched", "plain", "projected"))
        check_choice("symmetry.like", self.like, GROUPS)
        check_choice("symmetry.compute", self.compute, ("auto", "direct", "fold"))
        check_number("symmetry.strength", self.strength, at_least=0)
        check_number("symmetry.seed", self.seed, at_least=0)
        patterns = sorted(set(self.layers) - set(LAYER_ROLES))
        self.layers = [role for role in LAYER_ROLES if role in self.layers] + patterns


@dataclass
class OptimizerConfig:
    """Stochastic gradient descent, or Adam (Kingma and Ba 2015)."""

    name: str = "sgd"
    lr: float = 0.1
    """0.001 in cfg/optimizer/adam.yaml."""
    momentum: float = 0.9
    """Of the gradient's mean; Adam's beta_1, beside a beta_2 of 0.999."""
    weight_decay: float = 1e-4
    """Added to the gradient as this share of the weights."""
    nesterov: bool = False

    def __post_init__(self) -> None:
        check_choice("optimizer", self.name, ("sgd", "adam"))
        check_number("optimizer.lr", self.lr, above=0)
        check_number("optimizer.momentum", self.momentum, at_least=0, below=1)
        check_number("optimizer.weight_decay", self.weight_decay, at_least=0)
        if self.nesterov and self.name == "adam":
            raise ConfigError("optimizer.nesterov", True, "needs optimizer=sgd")
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
