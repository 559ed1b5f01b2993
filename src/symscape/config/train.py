"""The config of `train.py`: everything that one training run depends on."""

from __future__ import annotations

from dataclasses import dataclass, field

from symscape.config.data import DENSE, FOLDERS, DataConfig
from symscape.config.groups import (
    GROUPS,
    LAYER_ROLES,
    NEEDS_SQUARE_KERNEL,
    OptimizerConfig,
    SchedulerConfig,
    SymmetryConfig,
    TrainerConfig,
)
from symscape.config.network.lie import GroupConfig, KernelConfig, check_kernel, check_scales
from symscape.config.network.model import FOREIGN, ON_GROUPS, ModelConfig
from symscape.config.shared import LoggerConfig, check_study
from symscape.errors import ConfigError, check_choice, check_number


@dataclass
class TrainConfig:
    """Everything that one training run depends on."""

    seed: int = 0
    study: str = "default"
    """Folder of runs that belong together, below `root`."""
    root: str = "multirun"
    """Folder of all studies."""
    force: bool = False
    """Set an existing run aside (its folder is renamed) and train again."""
    compile: bool = False
    """torch.compile the network."""
    trajectory: int = 20
    """Steps whose weights are kept between `init` and `final`, spaced logarithmically."""
    data: DataConfig = field(default_factory=DataConfig)
    model: ModelConfig = field(default_factory=ModelConfig)
    symmetry: SymmetryConfig = field(default_factory=SymmetryConfig)
    group: GroupConfig = field(default_factory=GroupConfig)
    kernel: KernelConfig = field(default_factory=KernelConfig)
    optimizer: OptimizerConfig = field(default_factory=OptimizerConfig)
    scheduler: SchedulerConfig = field(default_factory=SchedulerConfig)
    trainer: TrainerConfig = field(default_factory=TrainerConfig)
    logger: LoggerConfig = field(default_factory=LoggerConfig)

    def __post_init__(self) -> None:
        check_number("seed", self.seed, at_least=0, below=2**32)
        check_number("trajectory", self.trajectory, at_least=0)
        check_study(self.study)
        if self.data.name in FOLDERS and not self.data.root:
            needs = f"data={self.data.name} needs data.root=PATH"
            raise ConfigError("data.root", self.data.root, needs)
        if self.compile and self.symmetry.compute == "fold":
            raise ConfigError("symmetry.compute", "fold", "compile=true takes auto or direct")
        if self.compile and self.model.downsample == "sbpool":
            raise ConfigError("model.downsample", "sbpool", "compile=true takes stride or blur")
        self._check_like()
        self._check_kernel()
        self._check_group()
        self._check_network()
        if (self.data.name == DENSE[0]) != (self.model.name == DENSE[1]):
            dense = "data=shapes (a class for each pixel) and model=unet need each other"
            raise ConfigError("model", self.model.name, dense)

    def _check_like(self) -> None:
        like = self.model.like
        if like is None:
            return
        check_choice("model.like", like, GROUPS)
        if self.model.name in ON_GROUPS:
            counted = f"model={self.model.name} takes model.parameters=NUMBER"
            raise ConfigError("model.like", like, counted)

    def _check_kernel(self) -> None:
        name = self.symmetry.like if self.symmetry.name == "random" else self.symmetry.name
        if isinstance(self.model.kernel_size, list) and name in NEEDS_SQUARE_KERNEL:
            raise ConfigError(
                "model.kernel_size",
                self.model.kernel_size,
                f"symmetry={name} needs a square kernel; hflip, vflip, hvflip, rot180 do not",
            )

    def _check_network(self) -> None:
        """Networks of others are named, and start from weights where those are to be projected."""
        model, init = self.model, self.symmetry.init
        if model.name != FOREIGN:
            for role in self.symmetry.layers:
                check_choice("symmetry.layers", role, LAYER_ROLES)
        elif not model.network:
            known = "torchvision/NAME, timm/NAME or package.module:function"
            raise ConfigError("model.network", model.network, f"model=network needs {known}")
        if init == "projected" and not model.weights:
            needs = "needs model=network model.weights=FILE or pretrained; or matched, plain"
            raise ConfigError("symmetry.init", init, needs)
        if model.weights and init != "projected" and self.symmetry.name != "vanilla":
            starts = f"model.weights={model.weights} needs projected"
            raise ConfigError("symmetry.init", init, starts)

    def _check_group(self) -> None:
        """Networks on groups have no symmetric kernels, and others no group."""
        name = self.model.name
        if name not in ON_GROUPS:
            if self.group.name != "none":
                *some, last = ON_GROUPS
                needed = f"needs model={', '.join(some)} or {last}"
                raise ConfigError("group", self.group.name, needed)
            return
        if self.symmetry.name != "vanilla":
            made = f"model={name} takes vanilla; group=se2 makes it equivariant"
            raise ConfigError("symmetry", self.symmetry.name, made)
        check_kernel(self.group, self.kernel)
        check_scales(self.group, self.model.kernel_size)
        if self.compile:
            raise ConfigError("compile", True, f"model={name} takes false")
