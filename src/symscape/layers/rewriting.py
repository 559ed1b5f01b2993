"""The same network with each convolution, and the BatchNorm behind it, as one module."""

from __future__ import annotations

from collections.abc import Callable
from typing import TypeGuard

from torch import Tensor, fx, nn

from symscape.layers.lie.norm import TiedBatchNorm
from symscape.layers.sampling.strided import StridedPointwise, sound

Norm = nn.BatchNorm2d | TiedBatchNorm
Fuse = Callable[[nn.Conv2d, Norm | None], nn.Module]
"""Makes the module that stands for both; None where no BatchNorm follows."""


def rewritten(network: nn.Module, fuse: Fuse) -> nn.Module:
    """Return the network with its plain convolutions replaced; all tensors stay `network`'s.

    Only convolutions with zeros around the image, and a norm that reads running statistics in eval
    mode and is alone in reading the convolution. A network that torch.fx cannot trace (control flow
    that depends on values) is returned as it is, but for convolutions that could fault
    (`layers.sampling.strided`): the same numbers, more slowly.

    Args:
        network: in eval mode; later changes of its tensors are seen, of its modules not.
        fuse: makes the modules.
    """
    try:
        traced = fx.GraphModule(network, _Tracer().trace(network))
    except (TypeError, ValueError, RuntimeError):
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
    return traced


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
        and type(module) in (nn.Conv2d, StridedPointwise)
        and module.padding_mode == "zeros"
        and not isinstance(module.padding, str)
    )


def _mergeable(module: nn.Module | None) -> TypeGuard[Norm]:
    return (
        isinstance(module, nn.BatchNorm2d | TiedBatchNorm)
        and type(module) in (nn.BatchNorm2d, TiedBatchNorm)
        and module.running_mean is not None
        and module.running_var is not None
        and not module.training
    )
