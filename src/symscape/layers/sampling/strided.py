"""Convolutions with a stride, kept away from two faults of PyTorch's library for CPUs.

Both are in the weight gradients of oneDNN 3.13 (PyTorch 2.15).

1x1 kernels: in float32, channels-last, with fewer than 16 input channels, where threads share the
images unevenly, it writes outside its buffer, and the process dies in `munmap_chunk(): invalid
pointer`. Convolving every s-th pixel without a stride is the same function, and sound. It is done
only there: with the copy of these pixels, wider layers took 0.7 to 2.8 times as long in training
(0.3 to 2.7 in evaluation).

One column: in bfloat16 on CPUs with AMX, a padded kernel of which one column of answers is left
gets the gradient of memory that nobody wrote: another one at each call, up to 1e37 and NaN.
Without a stride along the columns the first one is the same, and sound; where the padding is even
there is no other, and nothing is computed in vain.
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
    """Return conv2d of x (N, I * groups, H, W) and weight (O, I, kh, kw), without the faults."""
    x, stride = thinned(x, weight, stride, padding)
    if x.device.type != "cpu" or not _one_column(x, weight, stride, padding, dilation):
        return torch.conv2d(x, weight, bias, stride, padding, dilation, groups)
    y = torch.conv2d(x, weight, bias, (stride[0], 1), padding, dilation, groups)
    return y if y.shape[-1] == 1 else y[..., :1]


def thinned(
    x: Tensor, weight: Tensor, stride: Sequence[int], padding: Sequence[int] | str
) -> tuple[Tensor, Sequence[int]]:
    """Return the pixels of x (N, C, H, W) to convolve, and the stride that is left."""
    if x.device.type != "cpu" or not _faulty(weight, stride, padding):
        return x, stride
    down, right = stride
    return x[..., ::down, ::right], (1, 1)


class StridedConv2d(nn.Conv2d):
    """An nn.Conv2d with a stride, without the faults; zeros around the image."""

    def _conv_forward(self, input: Tensor, weight: Tensor, bias: Tensor | None) -> Tensor:
        geometry = self.stride, self.padding, self.dilation
        return convolve(input, weight, bias, *geometry, self.groups)


def sound(network: nn.Module) -> nn.Module:
    """Return the network with a `StridedConv2d` in place of each nn.Conv2d that could fault.

    All tensors stay `network`'s. Where there is no such module, it is `network` itself.
    """
    if not any(map(_replaceable, network.modules())):
        return network
    tensors = {id(t): t for t in (*network.parameters(), *network.buffers())}
    twin: nn.Module = copy.deepcopy(network, tensors)
    for module in filter(_replaceable, twin.modules()):
        module.__class__ = StridedConv2d
    return twin


def _replaceable(module: nn.Module) -> bool:
    if type(module) is not nn.Conv2d:
        return False
    padding = (0, 0) if isinstance(module.padding, str) else module.padding
    may_shrink = module.stride[-1] > 1 and padding[-1] > 0 and module.padding_mode == "zeros"
    return may_shrink or _faulty(module.weight, module.stride, module.padding)


def _one_column(
    x: Tensor,
    weight: Tensor,
    stride: Sequence[int],
    padding: Sequence[int] | str,
    dilation: Sequence[int],
) -> bool:
    if isinstance(padding, str) or stride[-1] == 1 or padding[-1] == 0:
        return False
    spare = x.shape[-1] + 2 * padding[-1] - dilation[-1] * (weight.shape[-1] - 1) - 1
    return 0 <= spare < stride[-1]


def _faulty(weight: Tensor, stride: Sequence[int], padding: Sequence[int] | str) -> bool:
    return (
        weight.shape[1] < SOUND
        and weight.shape[2:] == (1, 1)
        and max(stride) > 1
        and (padding == "valid" or not any(padding))
    )
