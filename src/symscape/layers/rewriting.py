"""The same network with each convolution, and the BatchNorm behind it, as one module."""

from __future__ import annotations

import logging
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from functools import cache
from typing import TypeGuard

import torch
from torch import Tensor, fx, nn

from symscape.layers.lie.norm import TiedBatchNorm
from symscape.layers.sampling.strided import StridedConv2d, sound

log = logging.getLogger("symscape")
MISTRACED = 1e-2
"""Relative to the logits: rounding is far below it, another way through a network far above."""
KNOWN = ("symscape.", "torch.nn.")
"""Whose modules ask nothing of what they are given."""
Norm = nn.BatchNorm2d | TiedBatchNorm
Fuse = Callable[[nn.Conv2d, Norm | None], nn.Module]
"""Makes the module that stands for both; None where no BatchNorm follows."""


def rewritten(network: nn.Module, fuse: Fuse) -> nn.Module:
    """Return the network with its plain convolutions replaced; all tensors stay `network`'s.

    Only convolutions with zeros around the image, and a norm that reads running statistics in eval
    mode and is alone in reading the convolution. A network that torch.fx cannot trace (control flow
    that depends on values) is returned as it is, but for convolutions that could fault
    (`layers.sampling.strided`): the same numbers, more slowly. So is one with hooks on the whole,
    and one for which the first images show that torch.fx went another way. It is said once.

    Args:
        network: in eval mode; later changes of its tensors are seen, of its modules not.
        fuse: makes the modules.
    """
    if _hooked(network):
        _say(f"{type(network).__name__}: has hooks, which a copy would not call")
        return sound(network)
    try:
        traced = fx.GraphModule(network, _Tracer().trace(network))
    except Exception as error:  # Whatever code raises that expected numbers.
        first = (str(error).splitlines() or [""])[0]
        _say(f"{type(network).__name__}: torch.fx cannot trace it ({first})")
        return sound(network)
    for node in list(traced.graph.nodes):
        conv = _module(traced, node)
        if not _plain(conv):
            if conv is not None:  # Padding by name, for one.
                traced.set_submodule(str(node.target), sound(conv))
            continue
        users = list(node.users)
        norm = _module(traced, users[0]) if len(users) == 1 else None
        norm = norm if _mergeable(norm) else None
        name = f"_fused_{node.name}"
        traced.add_submodule(name, fuse(conv, norm))
        with traced.graph.inserting_before(node):
            new = traced.graph.call_module(name, node.args, node.kwargs)
        last = node if norm is None else users[0]
        last.replace_all_uses_with(new)
        traced.graph.erase_node(last)
        if last is not node:
            traced.graph.erase_node(node)
    traced.recompile()
    known = all(type(m).__module__.startswith(KNOWN) for m in network.modules())
    return traced if known else _Checked(traced, network)


def _hooked(module: nn.Module) -> bool:
    """Whether something happens around a module's forward: it would happen no more."""
    return bool(module._forward_hooks or module._forward_pre_hooks)


@cache
def _say(why: str) -> None:
    log.info(f"{why}: it is computed as it stands, to the same numbers, more slowly")


class _Checked(nn.Module):
    """A traced network, or the network itself where the first two images come out otherwise.

    Code may ask what kind of thing it was given, and take another way for a symbol.
    """

    def __init__(self, traced: nn.Module, network: nn.Module) -> None:
        super().__init__()
        self.traced = traced
        self.others = [network]  # In a list: its modules are not this one's to move.

    def forward(self, x: Tensor) -> Tensor:
        """Map images as the network does."""
        if self.others:
            network = self.others.pop()
            if not _agree(self.traced, network, x[:2]):
                _say(f"{type(network).__name__}: torch.fx traces another function than it computes")
                self.traced = network
        y: Tensor = self.traced(x)
        return y


@torch.no_grad()
def _agree(traced: nn.Module, network: nn.Module, x: Tensor) -> bool:
    with torch.autocast(x.device.type, enabled=False), _kept(network):
        # Not what may have been put over it: in full precision they agree, or differ.
        y, z = (type(each).forward(each, x) for each in (traced, network))
    return y.shape == z.shape and not bool((y - z).norm() > MISTRACED * z.norm())


@contextmanager
def _kept(network: nn.Module) -> Iterator[None]:
    """Bring the buffers of norms in train mode back: two images are no part of their statistics."""
    norms = [m for m in network.modules() if m.training]
    kept = [(buffer, buffer.clone()) for m in norms for buffer in m.buffers(recurse=False)]
    try:
        yield
    finally:
        for buffer, before in kept:
            buffer.copy_(before)


class _Tracer(fx.Tracer):
    def is_leaf_module(self, m: nn.Module, module_qualified_name: str) -> bool:
        """Keep a layer of ours as whole as PyTorch's are."""
        ours = type(m).__module__.startswith("symscape.layers.")
        return ours or super().is_leaf_module(m, module_qualified_name)


def affine_of(norm: Norm, kernel: Tensor, bias: Tensor | None) -> tuple[Tensor, Tensor]:
    """Return kernel (O, I, kh, kw) and bias (O,) of a convolution and its norm in eval mode."""
    mean, variance = norm.running_mean, norm.running_var
    assert mean is not None and variance is not None  # _mergeable saw to it
    vectors = [mean, variance, norm.weight, norm.bias]
    if isinstance(norm, TiedBatchNorm):
        vectors = [each.repeat_interleave(norm.size) for each in vectors]
    mean, variance, weight, offset = vectors
    scale = (variance + norm.eps).rsqrt()
    scale = scale if weight is None else scale * weight
    shift = scale * ((bias if bias is not None else 0.0) - mean)
    shift = shift if offset is None else shift + offset
    return kernel * scale.view(-1, 1, 1, 1), shift


def _module(traced: fx.GraphModule, node: fx.Node) -> nn.Module | None:
    return traced.get_submodule(str(node.target)) if node.op == "call_module" else None


def _plain(module: nn.Module | None) -> TypeGuard[nn.Conv2d]:
    return (
        isinstance(module, nn.Conv2d)
        and type(module) in (nn.Conv2d, StridedConv2d)
        and not _hooked(module)  # That of weight_norm makes the kernel.
        and module.padding_mode == "zeros"
        and not isinstance(module.padding, str)
    )


def _mergeable(module: nn.Module | None) -> TypeGuard[Norm]:
    return (
        isinstance(module, nn.BatchNorm2d | TiedBatchNorm)
        and type(module) in (nn.BatchNorm2d, TiedBatchNorm)
        and not _hooked(module)
        and module.running_mean is not None
        and module.running_var is not None
        and not module.training
    )
