"""Which hidden channels of a network may change places together.

A permutation group is a set of tensor axes that one permutation must move together to leave the
network's function alone. All blocks of a stage write into one residual stream, so the stream is
one group; the channels between the two convolutions of a block are another.

A channel of a network on a group sits at N places of an axis, its elements. It may also be
translated on the right, f'(x, h) = f(x, h tau), which moves its places among each other and leaves
function and equivariance alone; tau is one of the grid's elements without scale.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, field

import torch
from torch import Tensor, nn

from symscape.models.ckg import CKGCNN, CKGAllCNNC, CKGNetwork, CKGResNet
from symscape.models.ckg_parts import HEAD, Block
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
    translations: dict[str, Tensor] = field(default_factory=dict)
    """Of groups whose channels sit at N > 1 places: (T, N), int64, what each translation does to
    the places of a channel. Such an axis is C N long; that of a norm, say, is C long."""

    def slices(self, axis: Axis, length: int) -> Iterator[tuple[str, slice]]:
        """Yield each group of an axis of this length and where its channels lie."""
        start, places = 0, length // max(1, sum(self.sizes[group] for group in axis))
        for group in axis:
            end = start + self.sizes[group] * places
            yield group, slice(start, end)
            start = end

    def moves(self, group: str) -> Tensor:
        """Return what the translations do to a channel's places; one place: nothing."""
        return self.translations.get(group, torch.zeros(1, 1, dtype=torch.int64))


def permutation_spec(network: nn.Module, example: Tensor | None = None) -> PermutationSpec:
    """Return the permutation groups of a network.

    Args:
        network: in eval mode.
        example: a batch of 2 images (2, C, H, W) that it takes; our own networks need none.

    Raises:
        TypeError: nobody has written the groups of this family down.
    """
    if isinstance(network, ResNet):
        return _resnet(network)
    if isinstance(network, CKGNetwork):
        return _OnGroup(network).spec
    raise TypeError(f"{type(network).__name__}: no permutation groups are known")


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


class _OnGroup:
    """Writes the groups of a network on a group down, layer after layer."""

    def __init__(self, network: CKGNetwork) -> None:
        self.spec, self.grid = PermutationSpec(), network.grid
        if isinstance(network, CKGResNet):
            self.head(self.resnet(network))
        elif isinstance(network, CKGCNN):
            self.head(self.cnn(network))
        elif isinstance(network, CKGAllCNNC):
            self.all_cnn(network)

    def new(self, group: str, norm: nn.Module) -> Axis:
        """Return a new axis, of the channels that a norm has."""
        channels = _new(self.spec, group, len(norm.get_parameter("weight")))
        self.spec.translations[group] = self.grid.translations
        return channels

    def layer(self, conv: str, norm: str, module: nn.Module, into: Axis, out: Axis | None) -> Axis:
        """Add a convolution and the norm behind it; `out` is new where it is None."""
        out = self.new(conv, module) if out is None else out
        _conv(self.spec, conv, out, into)
        _norm(self.spec, module, norm, out)
        return out

    def resnet(self, network: CKGResNet) -> Axis:
        """Return the channels that leave the last convolution."""
        stream = self.layer("lift", "norm", network.norm, (), None)
        for i, block in enumerate(network.blocks):
            assert isinstance(block, Block)
            name = f"blocks.{i}"
            self.spec.taps.append(Tap(name, "input", stream))
            inner = self.layer(f"{name}.conv1", f"{name}.norm1", block.norm1, stream, None)
            self.spec.taps.append(Tap(f"{name}.conv2", "input", inner))
            out = stream
            if not isinstance(block.shortcut, nn.Identity):
                out = self.new(f"{name}.out", block.norm2)
                _conv(self.spec, f"{name}.shortcut", out, stream)
            self.layer(f"{name}.conv2", f"{name}.norm2", block.norm2, inner, out)
            _norm(self.spec, network.norms[i], f"norms.{i}", out)
            stream = out
        self.spec.taps.append(Tap("last", "input", stream))
        return self.layer("last", "last_norm", network.last_norm, stream, None)

    def cnn(self, network: CKGCNN) -> Axis:
        """Return the channels that leave the last convolution."""
        into = self.chain(network.norms, "last")
        return self.layer("last", "last_norm", network.last_norm, into, None)

    def all_cnn(self, network: CKGAllCNNC) -> None:
        """Add all layers; the last one's channels are the classes, which stay."""
        _conv(self.spec, "classes", (), self.chain(network.norms, "classes"))

    def chain(self, norms: nn.ModuleList, last: str) -> Axis:
        """Return the channels behind layers in a row, which the layer `last` reads."""
        into: Axis = ()
        for i, norm in enumerate(norms):
            into = self.layer(f"convs.{i - 1}" if i else "lift", f"norms.{i}", norm, into, None)
            after = f"convs.{i}" if i + 1 < len(norms) else last
            self.spec.taps.append(Tap(after, "input", into))
        return into

    def head(self, channels: Axis) -> None:
        """Add the head, whose hidden layer's channels are numbers."""
        hidden = _new(self.spec, "head.hidden", HEAD)
        self.spec.axes["head.hidden.weight"] = (hidden, channels)
        for key in ("weight", "bias", "running_mean", "running_var"):
            self.spec.axes[f"head.norm.{key}"] = (hidden,)
        self.spec.axes["head.out.weight"] = ((), hidden)
        self.spec.taps += [Tap("head", "input", channels), Tap("head.out", "input", hidden)]
