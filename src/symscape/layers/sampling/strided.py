"""Pointwise convolutions with a stride, kept away from a fault of PyTorch's library for CPUs.

oneDNN 3.13 (PyTorch 2.15) writes outside its buffer in the weight gradient of a 1x1 convolution
with a stride: in float32, channels-last, with fewer than 16 input channels, where threads share the
images unevenly. The process dies in `munmap_chunk(): invalid pointer`. Convolving every s-th pixel
without a stride is the same function, and sound. It is done only there: with the copy of these
pixels, wider layers took 0.7 to 2.8 times as long in training (0.3 to 2.7 in evaluation).
"""

from __future__ import annotations

import copy
from collections.abc import Sequence

import torch
from torch import Tensor, nn

# Input channels of a group from which the library is sound: a vector of AVX512 in float32.
SOUND = 16


def convolve(
    x: Tensor,
    weight: Tensor,
    bias: Tensor | None,
    stride: Sequence[int],
    padding: Sequence[int] | str,
    dilation: Sequence[int],
    groups: int,
) -> Tensor:
    """Return conv2d of x (N, I * groups, H, W) and weight (O, I, kh, kw), without the fault."""
    x, stride = thinned(x, weight, stride, padding)
    return torch.conv2d(x, weight, bias, stride, padding, dilation, groups)


def thinned(
    x: Tensor, weight: Tensor, stride: Sequence[int], padding: Sequence[int] | str
) -> tuple[Tensor, Sequence[int]]:
    """Return the pixels of x (N, C, H, W) to convolve, and the stride that is left."""
    if x.device.type != "cpu" or not _faulty(weight, stride, padding):
        return x, stride
    down, right = stride
    return x[..., ::down, ::right], (1, 1)


class StridedPointwise(nn.Conv2d):
    """An nn.Conv2d, its 1x1 kernel and stride without the fault."""

    def _conv_forward(self, input: Tensor, weight: Tensor, bias: Tensor | None) -> Tensor:
        x, stride = thinned(input, weight, self.stride, self.padding)
        return torch.conv2d(x, weight, bias, stride, self.padding, self.dilation, self.groups)


def sound(network: nn.Module) -> nn.Module:
    """Return the network with a `StridedPointwise` in place of each nn.Conv2d that could fault.

    All tensors stay `network`'s. Where there is no such module, it is `network` itself.
    """
    if not any(map(_replaceable, network.modules())):
        return network
    tensors = {id(t): t for t in (*network.parameters(), *network.buffers())}
    twin: nn.Module = copy.deepcopy(network, tensors)
    for module in filter(_replaceable, twin.modules()):
        module.__class__ = StridedPointwise
    return twin


def _replaceable(module: nn.Module) -> bool:
    return type(module) is nn.Conv2d and _faulty(module.weight, module.stride, module.padding)


def _faulty(weight: Tensor, stride: Sequence[int], padding: Sequence[int] | str) -> bool:
    return (
        weight.shape[1] < SOUND
        and weight.shape[2:] == (1, 1)
        and max(stride) > 1
        and (padding == "valid" or not any(padding))
    )
