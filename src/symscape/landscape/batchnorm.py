"""Statistics of BatchNorm between two networks: recomputed, interpolated, or repaired.

Interpolated kernels give activations whose statistics nobody has stored: with the wrong ones, the
measured barrier is mostly one of normalisation. See Jordan et al. 2023, "REPAIR".
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from contextlib import contextmanager

import torch
from torch import Tensor, nn
from torch.nn.modules.batchnorm import _BatchNorm

from symscape.landscape.evaluation import Batches
from symscape.layers.lie.norm import TiedBatchNorm, TiedLayerNorm

TIED = (TiedBatchNorm, TiedLayerNorm)
STATISTICS = ("running_mean", "running_var")
STATISTICS_BATCH = 500
"""Images a batch of a pass over the statistics: part of what `reset` means, so it is fixed."""
SMALLEST_BATCH = 256
"""A last batch below this is joined with the one before it."""

Moments = dict[str, tuple[Tensor, Tensor]]
"""Mean and standard deviation (C,) of each normalised layer's output channels, by layer."""


def batch_norms(network: nn.Module) -> list[_BatchNorm | TiedBatchNorm]:
    """Return the layers that keep running statistics."""
    kinds = (_BatchNorm, TiedBatchNorm)
    return [m for m in network.modules() if isinstance(m, kinds) and m.track_running_stats]


def statistics_names(network: nn.Module) -> set[str]:
    """Return the entries of the state dict that `reset_statistics` recomputes.

    Buffers of these names in other modules (a frozen norm's, say) are weights like all others.
    """
    norms = set(batch_norms(network))
    return {
        f"{prefix}.{name}" if prefix else name
        for prefix, module in network.named_modules()
        if module in norms
        for name in STATISTICS
    }


@torch.no_grad()
def reset_statistics(
    network: nn.Module, batches: Batches, forward: nn.Module | None = None
) -> None:
    """Recompute the running statistics of every BatchNorm, weighted by sample count.

    Cost: one forward pass in train mode over all batches; none without BatchNorm. The network is
    left in eval mode.

    Args:
        network: whose statistics they are.
        batches: the images.
        forward: computes what `network` does, with its norms, faster.
    """
    forward = forward or network
    norms = batch_norms(network)
    if not norms:
        return
    before = [norm.momentum for norm in norms]
    network.eval()
    for norm in norms:  # And nothing else: what a training draws at random has no part in it.
        norm.train()
    seen = 0
    try:
        for images in _joined(batches):
            seen += len(images)
            for norm in norms:
                # running <- (1 - m) running + m batch: with this m the mean over all samples.
                norm.momentum = len(images) / seen
            forward(images)
    finally:
        network.eval()
        for norm, momentum in zip(norms, before, strict=True):
            norm.momentum = momentum
    if not seen:
        raise ValueError("batches: there is no image for the statistics")


def _joined(batches: Batches) -> Iterator[Tensor]:
    """Yield the images of each batch; those of a small last one together with the ones before."""
    held: Tensor | None = None
    for images, _ in batches:
        if held is not None and len(images) < SMALLEST_BATCH:
            # Only a last batch is smaller than the others, or all are.
            held = torch.cat([held, images])
            continue
        if held is not None:
            yield held
        held = images
    if held is not None:
        yield held


class Rescaled(nn.Module):
    """A norm whose output channels are brought to given means and deviations."""

    def __init__(self, norm: nn.Module, mean: Tensor, std: Tensor) -> None:
        super().__init__()
        self.norm = norm
        # A BatchNorm of its own: its statistics are recomputed in the same pass as all others.
        scale: nn.Module = nn.BatchNorm2d(len(mean), eps=1e-8)
        if isinstance(norm, TIED):
            scale = TiedBatchNorm(norm.channels, norm.size, eps=1e-8)
        self.scale = scale.to(mean)
        with torch.no_grad():
            self.scale.get_parameter("weight").copy_(std)
            self.scale.get_parameter("bias").copy_(mean)

    def forward(self, x: Tensor) -> Tensor:
        """Map x (N, C, ...) to the same shape."""
        y: Tensor = self.norm(x)
        z: Tensor = self.scale(_as_images(y))
        return z.view_as(y)


def norm_names(network: nn.Module) -> list[str]:
    """Return the names of all layers that normalise (N, C, ...) and that `repair` rescales."""
    kinds = (nn.BatchNorm2d, nn.GroupNorm, *TIED)
    return [name for name, module in network.named_modules() if isinstance(module, kinds)]


def _as_images(y: Tensor) -> Tensor:
    """Return (N, C, ...) as (N, C, H, W)."""
    return y if y.ndim == 4 else y.reshape(*y.shape[:2], -1, 1)


@torch.no_grad()
def output_moments(network: nn.Module, batches: Batches) -> Moments:
    """Return mean and standard deviation of the output channels of every norm, in eval mode.

    Cost: one forward pass over all batches.
    """
    sums: dict[str, tuple[int, Tensor, Tensor]] = {}

    def watch(name: str, y: Tensor) -> None:
        wide = _as_images(y).to(torch.promote_types(y.dtype, torch.float32))
        if isinstance(norm := network.get_submodule(name), TIED):
            wide = wide.reshape(len(y), norm.channels, -1, y.shape[3])  # All its elements.
        count, total, squares = sums.get(name, (0, torch.zeros(()), torch.zeros(())))
        sums[name] = (
            count + wide.numel() // wide.shape[1],
            total.to(y.device) + wide.sum((0, 2, 3)).double(),
            squares.to(y.device) + wide.square().sum((0, 2, 3)).double(),
        )

    def hook(name: str) -> torch.utils.hooks.RemovableHandle:
        module = network.get_submodule(name)
        return module.register_forward_hook(lambda _module, _inputs, y: watch(name, y))

    handles = [hook(name) for name in norm_names(network)]
    try:
        for images, _ in batches:
            network(images)
    finally:
        for handle in handles:
            handle.remove()
    dtype = next(network.parameters()).dtype
    return {name: _moments(*each, dtype) for name, each in sums.items()}


def _moments(
    count: int, total: Tensor, squares: Tensor, dtype: torch.dtype
) -> tuple[Tensor, Tensor]:
    mean = total / count
    std = (squares / count - mean.square()).clamp(min=0).sqrt()
    return mean.to(dtype), std.to(dtype)


@contextmanager
def rescaled(network: nn.Module, moments: Mapping[str, tuple[Tensor, Tensor]]) -> Iterator[None]:
    """Bring the outputs of every norm to `moments` inside the context."""
    originals = {name: network.get_submodule(name) for name in moments}
    for name, (mean, std) in moments.items():
        network.set_submodule(name, Rescaled(originals[name], mean, std))
    try:
        yield
    finally:
        for name, module in originals.items():
            network.set_submodule(name, module)
