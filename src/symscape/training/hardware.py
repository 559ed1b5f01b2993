"""What `auto` means on this machine: device and precision."""

from __future__ import annotations

import ctypes
import os
import platform
import sys
from dataclasses import asdict, dataclass

import torch
from torch import nn

from symscape.config.groups import TrainerConfig
from symscape.config.network.model import FOREIGN
from symscape.config.train import TrainConfig
from symscape.errors import ConfigError
from symscape.layers.folding.processor import OTHER, processor

# Lightning's names; bfloat16 keeps weights and sums in float32.
LIGHTNING_PRECISION = {"float32": "32-true", "bfloat16": "bf16-mixed", "float64": "64-true"}
# glibc's numbers of what mallopt sets: the free memory that it keeps, and the size from which it
# takes memory from the system.
TRIM_THRESHOLD, MMAP_THRESHOLD = -1, -3


@dataclass(frozen=True)
class Hardware:
    """A device and the precision to compute in."""

    accelerator: str
    precision: str
    name: str
    cpu: str = ""
    """Its kind (`layers.folding.processor`), where it computes; empty on a GPU."""

    @property
    def device(self) -> torch.device:
        """The torch device."""
        return torch.device("cuda" if self.accelerator == "gpu" else "cpu")

    @property
    def dtype(self) -> torch.dtype:
        """The type of weights, images and sums."""
        return torch.float64 if self.precision == "float64" else torch.float32

    def prepare(self, network: nn.Module) -> nn.Module:
        """Bring a plain network where it computes, in eval mode; its forward pass is changed.

        With bfloat16 the forward pass rounds as in training; weights and sums stay in float32.
        """
        # Float32 means float32: on a GPU, convolutions would round their inputs to 10 bits.
        torch.backends.cudnn.allow_tf32 = False
        network = network.to(self.device, self.dtype).to(memory_format=torch.channels_last).eval()
        if self.precision == "bfloat16":
            autocast = torch.autocast(self.device.type, torch.bfloat16)
            network.forward = autocast(network.forward)
        return network

    def as_dict(self) -> dict[str, str]:
        """Return the choice as the manifest keeps it."""
        return asdict(self)


def resolve_hardware(config: TrainerConfig, before: dict[str, str]) -> Hardware:
    """Return what to run on; a resumed run keeps what `auto` became at its start.

    Args:
        config: the request, in which `auto` may stand.
        before: what an interrupted run resolved to; empty for a new one.

    Raises:
        ConfigError: more GPUs are asked for than are there.
    """
    has_gpu = torch.cuda.is_available()
    accelerator = config.accelerator
    if accelerator == "auto":
        accelerator = before.get("accelerator") or ("gpu" if has_gpu else "cpu")
    if accelerator == "gpu" and not has_gpu:
        began = "the run began on one; " if before else ""
        raise ConfigError("trainer.accelerator", config.accelerator, f"{began}no GPU is visible")
    if accelerator == "gpu" and (config.devices or 1) > torch.cuda.device_count():
        visible = torch.cuda.device_count()
        raise ConfigError("trainer.devices", config.devices, f"{visible} GPUs are visible here")
    precision = config.precision
    if precision == "auto":
        native = _native_bfloat16(accelerator)
        precision = before.get("precision") or ("bfloat16" if native else "float32")
    if accelerator == "cpu":
        _keep_memory()
    name = torch.cuda.get_device_name() if accelerator == "gpu" else _cpu_name()
    count = f"{config.ranks} x " if config.ranks > 1 else ""
    kind = processor() if accelerator == "cpu" else ""
    return Hardware(accelerator, precision, f"{count}{name}", kind)


def check_ranks(config: TrainConfig, hardware: Hardware, *, batchnorm: bool) -> None:
    """Raise ConfigError where several devices could not give the result of one.

    Args:
        config: with how many.
        hardware: a kind of device.
        batchnorm: whether the network keeps statistics of batches.
    """
    ranks = config.trainer.ranks
    if ranks > config.data.batch_size:
        raise ConfigError("data.batch_size", config.data.batch_size, f"must be >= {ranks} devices")
    if ranks > 1 and hardware.accelerator == "cpu" and batchnorm:
        if config.model.name == FOREIGN:
            why = f"has BatchNorm, which is synchronised on GPUs only, not by {ranks} CPU processes"
            raise ConfigError("model.network", config.model.network, why)
        raise ConfigError(
            "model.norm",
            "batch",
            f"{ranks} CPU processes need model.norm=layer (BatchNorm is synchronised on GPUs only)",
        )


def _native_bfloat16(accelerator: str) -> bool:
    if accelerator == "gpu":
        return bool(torch.cuda.is_bf16_supported(including_emulation=False))
    return processor() != OTHER


def _keep_memory() -> None:
    """Let glibc keep what is freed, up to 2 GiB, unless the environment says otherwise.

    Memory that the system clears anew for each large activation costs a CPU more than what is
    computed in it.
    """
    mallopt = getattr(ctypes.CDLL(None), "mallopt", None) if sys.platform == "linux" else None
    if mallopt is not None:
        for name, number in (
            ("MALLOC_TRIM_THRESHOLD_", TRIM_THRESHOLD),
            ("MALLOC_MMAP_THRESHOLD_", MMAP_THRESHOLD),
        ):
            if name not in os.environ:
                mallopt(number, 2**31 - 1)


def _cpu_name() -> str:
    name = torch.cpu.get_capabilities().get("cpu_name") or platform.processor()
    count = torch.get_num_threads()
    return f"{name or platform.machine()}, {count} thread{'s' if count > 1 else ''}"
