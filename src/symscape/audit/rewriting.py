"""A given network with a mitigation put in: other padding, blurs, the mean over grids.

The weights are the network's, and nothing is trained again: a network gets used to how it was
padded and sampled, so its accuracy may fall where its consistency rises.
"""

from __future__ import annotations

import copy
from collections.abc import Iterator
from dataclasses import dataclass, field
from typing import cast

import torch
from torch import fx, nn

from symscape.layers.sampling.blur import Blur
from symscape.layers.sampling.grid_mean import GridMean
from symscape.layers.sampling.padding import PaddedConv2d
from symscape.layers.sampling.strided import StridedConv2d

PADDINGS = ("reflect", "replicate", "circular", "partial")
REWRITES = (*PADDINGS, "blur", "sbpool")
NORMS = (nn.BatchNorm2d, nn.GroupNorm, nn.InstanceNorm2d)
ACTIVATIONS = (nn.ReLU, nn.ReLU6, nn.SiLU, nn.GELU, nn.Hardswish, nn.LeakyReLU, nn.ELU, nn.Mish)
FUNCTIONS = (nn.functional.relu, nn.functional.silu, nn.functional.gelu, torch.relu)


@dataclass(frozen=True, eq=False)
class Rewritten:
    """A network with a mitigation, not trained again."""

    network: nn.Module
    changed: int
    """Modules that are others now."""
    left: list[str] = field(default_factory=list)
    """What was left as it is, and why."""


def rewritten(network: nn.Module, mitigation: str) -> Rewritten:
    """Return a copy of a network with a mitigation; the network is left as it is.

    reflect, replicate, circular, partial: what its padded convolutions meet beyond the border.
    blur: convolutions and max pools with stride 2 take stride 1, and a blur behind their activation
    (before a 1x1 convolution) keeps every second pixel. sbpool: strided convolutions and max pools
    become the mean over all their grids.

    Args:
        network: in eval mode.
        mitigation: one of REWRITES.
    """
    twin = copy.deepcopy(network)
    if mitigation in PADDINGS:
        return _padded(twin, mitigation)
    return _blurred(twin) if mitigation == "blur" else _averaged(twin)


def _padded(network: nn.Module, mode: str) -> Rewritten:
    changed, left = 0, []
    for name, module in network.named_modules():
        if not isinstance(module, nn.Conv2d) or module.padding in ("valid", (0, 0)):
            continue
        if isinstance(module.padding, str) or not _standard(module):
            left.append(f"{name}: {_why_left(module)}")
            continue
        module.__class__ = PaddedConv2d
        module.padding_mode = "zeros" if mode == "partial" else mode  # type: ignore[assignment]
        padded = cast(PaddedConv2d, module)
        padded.mode, padded.grid = mode, None
        changed += 1
    return Rewritten(network, changed, left)


def _standard(module: nn.Module) -> bool:
    """Whether a convolution computes what its class says."""
    return type(module) in (nn.Conv2d, StridedConv2d, PaddedConv2d)


def _why_left(module: nn.Conv2d) -> str:
    if isinstance(module.padding, str):
        return f"padding={module.padding}"
    return f"{type(module).__name__} has a forward pass of its own"


def _averaged(network: nn.Module) -> Rewritten:
    changed, left = 0, []
    for name, module in list(network.named_modules()):
        if not isinstance(module, nn.Conv2d | nn.MaxPool2d) or _stride(module) == (1, 1):
            continue
        if why := _no_grids(module):
            left.append(f"{name}: {why}")
            continue
        network.set_submodule(name, GridMean(module))
        changed += 1
    return Rewritten(network, changed, left)


def _no_grids(module: nn.Conv2d | nn.MaxPool2d) -> str:
    """Return why a strided layer has no mean over grids here."""
    if isinstance(module, nn.MaxPool2d):
        return "ceil_mode" if module.ceil_mode else ""
    if not _standard(module) or isinstance(module.padding, str):
        return _why_left(module)
    return "" if module.padding_mode == "zeros" else f"padding_mode={module.padding_mode}"


def _stride(module: nn.Conv2d | nn.MaxPool2d) -> tuple[int, int]:
    stride = module.stride or module.kernel_size
    return (stride, stride) if isinstance(stride, int) else (stride[0], stride[1])


class _Tracer(fx.Tracer):
    """Keeps layers of ours, and what holds no convolution of interest, whole."""

    def is_leaf_module(self, m: nn.Module, module_qualified_name: str) -> bool:
        ours = type(m).__module__.startswith("symscape.")
        return (ours and not list(m.children())) or super().is_leaf_module(m, module_qualified_name)


def _blurred(network: nn.Module) -> Rewritten:
    try:
        traced = fx.GraphModule(network, _Tracer().trace(network))
    except Exception as error:
        reason = (str(error).splitlines() or [repr(error)])[0]
        return Rewritten(network, 0, [f"all: torch.fx cannot trace the network ({reason})"])
    changed, left = 0, []
    for name, node, module in list(_strided(traced)):
        if why := _no_blur(module):
            left.append(f"{name}: {why}")
            continue
        circular = isinstance(module, nn.Conv2d) and module.padding_mode == "circular"
        blur = f"_blur_{changed}"
        traced.add_submodule(blur, Blur(mode="circular" if circular else "reflect"))
        _insert(traced, node, module, blur)
        module.stride = 1 if isinstance(module, nn.MaxPool2d) else (1, 1)
        changed += 1
    traced.recompile()
    return Rewritten(traced, changed, left)


def _strided(traced: fx.GraphModule) -> Iterator[tuple[str, fx.Node, nn.Conv2d | nn.MaxPool2d]]:
    for node in traced.graph.nodes:
        if node.op != "call_module":
            continue
        module = traced.get_submodule(str(node.target))
        if isinstance(module, nn.Conv2d | nn.MaxPool2d) and _stride(module) != (1, 1):
            yield str(node.target), node, module


def _no_blur(module: nn.Conv2d | nn.MaxPool2d) -> str:
    """Return why a strided layer takes no blur."""
    if _stride(module) != (2, 2):
        return "stride " + "x".join(map(str, _stride(module)))
    if isinstance(module, nn.MaxPool2d):
        return "ceil_mode" if module.ceil_mode else ""
    return "" if _standard(module) else _why_left(module)


def _insert(
    traced: fx.GraphModule, node: fx.Node, module: nn.Conv2d | nn.MaxPool2d, blur: str
) -> None:
    """Put a blur behind the activation of a layer, or before a 1x1 convolution."""
    if isinstance(module, nn.Conv2d) and module.kernel_size == (1, 1):
        source = node.args[0]
        with traced.graph.inserting_before(node):
            new = traced.graph.call_module(blur, (source,))
        node.args = (new, *node.args[1:])
        return
    last = node if isinstance(module, nn.MaxPool2d) else _activated(traced, node)
    with traced.graph.inserting_after(last):
        new = traced.graph.call_module(blur, (last,))
    last.replace_all_uses_with(new, delete_user_cb=lambda user: user is not new)


def _activated(traced: fx.GraphModule, node: fx.Node) -> fx.Node:
    """Return the last of a convolution, its norm and its activation, where they follow alone."""
    last = node
    for kind in (_is_norm, _is_activation):
        users = list(last.users)
        if len(users) == 1 and kind(traced, users[0]):
            last = users[0]
    return last


def _is_norm(traced: fx.GraphModule, node: fx.Node) -> bool:
    return node.op == "call_module" and isinstance(traced.get_submodule(str(node.target)), NORMS)


def _is_activation(traced: fx.GraphModule, node: fx.Node) -> bool:
    if node.op == "call_module":
        return isinstance(traced.get_submodule(str(node.target)), ACTIVATIONS)
    return node.op == "call_function" and node.target in FUNCTIONS
