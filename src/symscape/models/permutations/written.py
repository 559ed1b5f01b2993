"""The permutation groups of our own networks, written down: no graph is needed.

All blocks of a stage write into one residual stream, so the stream is one group; the channels
between the two convolutions of a block are another.

A channel of a network on a group has N elements. It may also be translated on the right,
f'(x, h) = f(x, h tau), which moves its elements among each other and leaves function and
equivariance alone; tau is one of the grid's elements without scale.
"""

from __future__ import annotations

from dataclasses import dataclass, field

from torch import Tensor, nn

from symscape.models.ckg import CKGCNN, CKGAllCNNC, CKGNetwork, CKGResNet
from symscape.models.ckg_parts import HEAD, Block
from symscape.models.permutations.spec import PermutationSpec, Slot, Tap, side_by_side
from symscape.models.resnet import BasicBlock, PadShortcut, ResNet

Axis = tuple[str, ...]
"""The groups whose channels lie along a tensor axis, one after the other; empty: a fixed axis."""


@dataclass
class _Axes:
    """Groups by the axes of tensors that they lie along."""

    sizes: dict[str, int] = field(default_factory=dict)
    axes: dict[str, tuple[Axis, ...]] = field(default_factory=dict)
    """For each entry of the state dict that has channels, its first axes; later ones are fixed."""
    taps: list[tuple[str, str, Axis]] = field(default_factory=list)
    translations: dict[str, Tensor] = field(default_factory=dict)

    def spec(self, network: nn.Module) -> PermutationSpec:
        """Return the same by group."""
        state = network.state_dict()
        spec = PermutationSpec(self.sizes, translations=self.translations)
        for entry, axes in self.axes.items():
            for dim, axis in enumerate(axes):
                # Norms of networks on groups have one value for all elements of a channel.
                length = state[entry].shape[dim] if entry in state else self.elements(axis)
                for group, places in self.places(axis, length).items():
                    spec.slots.setdefault(group, []).append(Slot(entry, (dim, dim), places))
        for module, side, axis in self.taps:
            spec.taps.append(Tap(module, side, 1, self.places(axis, self.elements(axis))))
        return spec

    def places(self, axis: Axis, length: int) -> dict[str, Tensor]:
        """Return the places of each group along an axis of this length."""
        each = side_by_side([self.sizes[group] for group in axis], length)
        return dict(zip(axis, each, strict=True))

    def elements(self, axis: Axis) -> int:
        """Return how many elements the channels of some groups have in all."""
        counts = {g: self.translations[g].shape[1] if g in self.translations else 1 for g in axis}
        return sum(self.sizes[group] * count for group, count in counts.items())


def written_groups(network: nn.Module) -> PermutationSpec | None:
    """Return the groups of one of our own networks; None where they are to be derived."""
    if isinstance(network, ResNet):
        return _resnet(network).spec(network)
    if isinstance(network, CKGNetwork):
        return _OnGroup(network).found.spec(network)
    return None


def _resnet(network: ResNet) -> _Axes:
    found = _Axes()
    stream = _new(found, "stream.0", network.head.in_features >> (len(network.stages) - 1))
    _conv(found, "conv", stream, ())
    _norm(found, network.norm, "norm", stream)
    found.taps.append(("stages", "input", stream))
    for i, stage in enumerate(network.stages):
        assert isinstance(stage, nn.Sequential)
        for j, block in enumerate(stage):
            assert isinstance(block, BasicBlock)
            stream = _block(found, block, f"stages.{i}.{j}", f"{i}", stream)
    found.axes["head.weight"] = ((), stream)
    return found


def _block(found: _Axes, block: BasicBlock, name: str, stage: str, stream: Axis) -> Axis:
    """Add the groups of a block; return the stream that leaves it."""
    channels = block.conv1.get_parameter("weight").shape[0]
    inner = _new(found, f"{name}.inner", channels)
    out = _shortcut(found, block, f"{name}.shortcut", stage, stream, channels)
    _conv(found, f"{name}.conv1", inner, stream)
    _norm(found, block.norm1, f"{name}.norm1", inner)
    _conv(found, f"{name}.conv2", out, inner)
    _norm(found, block.norm2, f"{name}.norm2", out)
    found.taps.append((f"{name}.conv2", "input", inner))
    found.taps.append((name, "output", out))
    return out


def _shortcut(
    found: _Axes, block: BasicBlock, name: str, stage: str, stream: Axis, channels: int
) -> Axis:
    """Return the stream behind a block, which its shortcut decides."""
    if isinstance(block.shortcut, nn.Sequential):
        out = _new(found, f"stream.{stage}", channels)
        _conv(found, f"{name}.0", out, stream)
        norm = block.shortcut[1]
        assert isinstance(norm, nn.Module)
        _norm(found, norm, f"{name}.1", out)
        return out
    if isinstance(block.shortcut, PadShortcut) and block.shortcut.extra:
        # The old channels stay the first ones of the new stream: they move as they did before.
        return stream + _new(found, f"extra.{stage}", block.shortcut.extra)
    return stream


def _new(found: _Axes, group: str, size: int) -> Axis:
    found.sizes[group] = size
    return (group,)


def _conv(found: _Axes, name: str, out: Axis, into: Axis) -> None:
    found.axes[f"{name}.weight"] = (out, into)


def _norm(found: _Axes, norm: nn.Module, name: str, channels: Axis) -> None:
    for key, tensor in norm.state_dict().items():
        if tensor.dim() == 1:  # All but BatchNorm's count of batches.
            found.axes[f"{name}.{key}"] = (channels,)


class _OnGroup:
    """Writes the groups of a network on a group down, layer after layer."""

    def __init__(self, network: CKGNetwork) -> None:
        self.found, self.grid = _Axes(), network.grid
        if isinstance(network, CKGResNet):
            self.head(self.resnet(network))
        elif isinstance(network, CKGCNN):
            self.head(self.cnn(network))
        elif isinstance(network, CKGAllCNNC):
            self.all_cnn(network)

    def new(self, group: str, norm: nn.Module) -> Axis:
        """Return a new axis, of the channels that a norm has."""
        channels = _new(self.found, group, len(norm.get_parameter("weight")))
        self.found.translations[group] = self.grid.translations
        return channels

    def layer(self, conv: str, norm: str, module: nn.Module, into: Axis, out: Axis | None) -> Axis:
        """Add a convolution and the norm behind it; `out` is new where it is None."""
        out = self.new(conv, module) if out is None else out
        _conv(self.found, conv, out, into)
        _norm(self.found, module, norm, out)
        return out

    def resnet(self, network: CKGResNet) -> Axis:
        """Return the channels that leave the last convolution."""
        stream = self.layer("lift", "norm", network.norm, (), None)
        for i, block in enumerate(network.blocks):
            assert isinstance(block, Block)
            name = f"blocks.{i}"
            self.found.taps.append((name, "input", stream))
            inner = self.layer(f"{name}.conv1", f"{name}.norm1", block.norm1, stream, None)
            self.found.taps.append((f"{name}.conv2", "input", inner))
            out = stream
            if not isinstance(block.shortcut, nn.Identity):
                out = self.new(f"{name}.out", block.norm2)
                _conv(self.found, f"{name}.shortcut", out, stream)
            self.layer(f"{name}.conv2", f"{name}.norm2", block.norm2, inner, out)
            _norm(self.found, network.norms[i], f"norms.{i}", out)
            stream = out
        self.found.taps.append(("last", "input", stream))
        return self.layer("last", "last_norm", network.last_norm, stream, None)

    def cnn(self, network: CKGCNN) -> Axis:
        """Return the channels that leave the last convolution."""
        into = self.chain(network.norms, "last")
        return self.layer("last", "last_norm", network.last_norm, into, None)

    def all_cnn(self, network: CKGAllCNNC) -> None:
        """Add all layers; the last one's channels are the classes, which stay."""
        _conv(self.found, "classes", (), self.chain(network.norms, "classes"))

    def chain(self, norms: nn.ModuleList, last: str) -> Axis:
        """Return the channels behind layers in a row, which the layer `last` reads."""
        into: Axis = ()
        for i, norm in enumerate(norms):
            into = self.layer(f"convs.{i - 1}" if i else "lift", f"norms.{i}", norm, into, None)
            after = f"convs.{i}" if i + 1 < len(norms) else last
            self.found.taps.append((after, "input", into))
        return into

    def head(self, channels: Axis) -> None:
        """Add the head, whose hidden layer's channels are numbers."""
        hidden = _new(self.found, "head.hidden", HEAD)
        self.found.axes["head.hidden.weight"] = (hidden, channels)
        for key in ("weight", "bias", "running_mean", "running_var"):
            self.found.axes[f"head.norm.{key}"] = (hidden,)
        self.found.axes["head.out.weight"] = ((), hidden)
        self.found.taps += [("head", "input", channels), ("head.out", "input", hidden)]
