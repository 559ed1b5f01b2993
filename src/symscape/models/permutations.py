"""Which hidden channels of a network may change places together.

A permutation group is a set of tensor axes that one permutation must move together to leave the
network's function alone. All blocks of a stage write into one residual stream, so the stream is
one group; the channels between the two convolutions of a block are another.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, field

from torch import nn

from symscape.models.resnet import BasicBlock, PadShortcut, ResNet

Axis = tuple[str, ...]
"""The groups whose channels lie along a tensor axis, one after the other; empty: a fixed axis."""


@dataclass(frozen=True)
class Tap:
    """A place in the network where channels can be watched."""

    module: str
    side: str
    """`input` or `output` of the module."""
    channels: Axis


@dataclass
class PermutationSpec:
    """The permutation groups of one network."""

    sizes: dict[str, int] = field(default_factory=dict)
    """Channels in each group."""
    axes: dict[str, tuple[Axis, ...]] = field(default_factory=dict)
    """For each entry of the state dict that has channels, its first axes; later ones are fixed."""
    taps: list[Tap] = field(default_factory=list)

    def slices(self, axis: Axis) -> Iterator[tuple[str, slice]]:
        """Yield each group of an axis and where its channels lie."""
        start = 0
        for group in axis:
            yield group, slice(start, start + self.sizes[group])
            start += self.sizes[group]


def permutation_spec(network: nn.Module) -> PermutationSpec:
    """Return the permutation groups of a network.

    Raises:
        TypeError: nobody has written the groups of this family down.
    """
    if not isinstance(network, ResNet):
        raise TypeError(f"{type(network).__name__}: no permutation groups are known")
    return _resnet(network)


def _resnet(network: ResNet) -> PermutationSpec:
    spec = PermutationSpec()
    stream = _new(spec, "stream.0", network.head.in_features >> (len(network.stages) - 1))
    _conv(spec, "conv", stream, ())
    _norm(spec, network.norm, "norm", stream)
    spec.taps.append(Tap("stages", "input", stream))
    for i, stage in enumerate(network.stages):
        assert isinstance(stage, nn.Sequential)
        for j, block in enumerate(stage):
            assert isinstance(block, BasicBlock)
            stream = _block(spec, block, f"stages.{i}.{j}", f"{i}", stream)
    spec.axes["head.weight"] = ((), stream)
    return spec


def _block(spec: PermutationSpec, block: BasicBlock, name: str, stage: str, stream: Axis) -> Axis:
    """Add the groups of a block; return the stream that leaves it."""
    channels = block.conv1.get_parameter("weight").shape[0]
    inner = _new(spec, f"{name}.inner", channels)
    out = _shortcut(spec, block, f"{name}.shortcut", stage, stream, channels)
    _conv(spec, f"{name}.conv1", inner, stream)
    _norm(spec, block.norm1, f"{name}.norm1", inner)
    _conv(spec, f"{name}.conv2", out, inner)
    _norm(spec, block.norm2, f"{name}.norm2", out)
    spec.taps.append(Tap(f"{name}.conv2", "input", inner))
    spec.taps.append(Tap(name, "output", out))
    return out


def _shortcut(
    spec: PermutationSpec, block: BasicBlock, name: str, stage: str, stream: Axis, channels: int
) -> Axis:
    """Return the stream behind a block, which its shortcut decides."""
    if isinstance(block.shortcut, nn.Sequential):
        out = _new(spec, f"stream.{stage}", channels)
        _conv(spec, f"{name}.0", out, stream)
        norm = block.shortcut[1]
        assert isinstance(norm, nn.Module)
        _norm(spec, norm, f"{name}.1", out)
        return out
    if isinstance(block.shortcut, PadShortcut) and block.shortcut.extra:
        # The old channels stay the first ones of the new stream: they move as they did before.
        return stream + _new(spec, f"extra.{stage}", block.shortcut.extra)
    return stream


def _new(spec: PermutationSpec, group: str, size: int) -> Axis:
    spec.sizes[group] = size
    return (group,)


def _conv(spec: PermutationSpec, name: str, out: Axis, into: Axis) -> None:
    spec.axes[f"{name}.weight"] = (out, into)


def _norm(spec: PermutationSpec, norm: nn.Module, name: str, channels: Axis) -> None:
    for key, tensor in norm.state_dict().items():
        if tensor.dim() == 1:  # All but BatchNorm's count of batches.
            spec.axes[f"{name}.{key}"] = (channels,)
